"""Metrics of commands and of replies to them, by result."""

from __future__ import annotations

from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter


class CommandEnd(StrEnum):
    """The result of one delivery of a command. A command that was ``GIVEN_BACK`` is delivered again."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    GIVEN_BACK = "given_back"


class ReplyEnd(StrEnum):
    """What became of a reply: sent, its queue missing or full, or its queue not one for replies."""

    SENT = "sent"
    GONE = "gone"
    FORBIDDEN = "forbidden"


class CommandMetrics:
    """Counts commands and replies. Without a registry it makes its own. Methods neither raise nor block."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        self._commands = Counter(
            "crossdock_commands", "Commands of other systems, by what became of them.", ["result"],
            registry=registry,
        )  # fmt: skip
        for end in CommandEnd:  # start at 0: an alert does not see an increase if a counter starts at 1
            self._commands.labels(end.value)
        self._replies = Counter(
            "crossdock_command_replies", "Replies to commands, by what became of them.", ["result"],
            registry=registry,
        )  # fmt: skip
        for reply in ReplyEnd:
            self._replies.labels(reply.value)

    def count_end(self, end: CommandEnd) -> None:
        """Count a delivery that was acknowledged, rejected or requeued."""
        self._commands.labels(end.value).inc()

    def count_reply(self, end: ReplyEnd) -> None:
        """Count a reply that was requested."""
        self._replies.labels(end.value).inc()
