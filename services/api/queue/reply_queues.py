"""Decides into which queues replies may go.

The api may write into every queue of its virtual host, and its sender often not: without this, a command
would be a way into the queues of others. Beside those that are allowed here, a reply may go into an exclusive
queue, which RabbitMQ knows.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from shared.broker.base import DIRECT_REPLY_TO

_NAMED_BY_BROKER = (DIRECT_REPLY_TO, "amq.gen-")
"""RabbitMQ's direct reply-to, and queues whose names RabbitMQ has made. Nobody can guess either."""


class ReplyQueues:
    """Queues that RabbitMQ has named, and those of the setting ``reply_queues``: ``forge.*,answers``."""

    def __init__(self, setting: str = "") -> None:
        self._patterns = list(filter(None, map(str.strip, setting.split(","))))

    def allows(self, queue: str) -> bool:
        """Tell whether a reply may go into the queue."""
        return queue.startswith(_NAMED_BY_BROKER) or any(
            fnmatchcase(queue, pattern) for pattern in self._patterns
        )
