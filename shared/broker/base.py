"""The message broker: the port.

A message between services is a wake-up: small, delivered at least once, in no promised order. The truth lies
in Postgres. Other systems receive events through topics, and send commands to inboxes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from shared.errors import BrokerError, Fault

COMMANDS = "commands"
"""The inbox for the commands of other systems."""

MAX_BODY_BYTES = 64 * 1024
"""The largest body that ``publish``, ``emit`` and ``answer`` accept."""

MAX_REASON_CHARACTERS = 1000
"""Characters of a dead letter's reason that are kept."""

DELIVERY_LIMIT = 5
"""Deliveries of one message before it becomes a dead letter."""

REMOVED_AT_ONCE = 1000
"""Dead letters that one call removes at most."""

DIRECT_REPLY_TO = "amq.rabbitmq.reply-to."
"""The beginning of the addresses of RabbitMQ's direct reply-to."""

LIMIT_REASON = "delivery_limit"
"""The reason of a dead letter that reached ``DELIVERY_LIMIT``."""


class MessageTooLarge(BrokerError):
    """The body is over ``MAX_BODY_BYTES``; sending it again gives the same answer."""

    code = "message_too_large"
    fault = Fault.US
    retryable = False
    is_outage = False
    sentence = "a message is larger than the message broker takes"

    def __init__(self, size: int) -> None:
        super().__init__(f"a body of {size} bytes is over the limit of {MAX_BODY_BYTES} bytes")
        self.size = size


class MessageRefused(BrokerError):
    """A full queue refused the message; other queues may have got it."""

    code = "message_refused"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: a queue did not take the message")


@dataclass(frozen=True, slots=True)
class Message:
    """``message_id`` and ``correlation_id`` are printable ASCII of at most 255 characters.

    ``reply_to`` is the queue in which another system expects the answer. ``user_id`` is the sender, where the
    broker has verified it; a dead letter that is replayed keeps it.
    """

    body: bytes
    message_id: str
    correlation_id: str | None = None
    content_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    reply_to: str | None = None
    user_id: str | None = None


def check_size(message: Message) -> None:
    """Raise MessageTooLarge for a body over the limit."""
    if len(message.body) > MAX_BODY_BYTES:
        raise MessageTooLarge(len(message.body))


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was delivered in vain, with the broker's or the worker's reason."""

    message: Message
    queue: str
    reason: str


class Delivery(Protocol):
    """One delivery of a message. Exactly one of the three moves ends it.

    A further move does nothing, and so does a move on a delivery that was lost with its connection, or
    returned when its block ended: that message is delivered again.
    """

    @property
    def message(self) -> Message:
        """The message that was delivered."""

    async def ack(self) -> None:
        """End it as done; it is not delivered again, unless the connection is lost at this moment."""

    async def requeue(self) -> None:
        """Return it; it is delivered again, here or elsewhere, at most ``DELIVERY_LIMIT`` times in all."""

    async def reject(self, reason: str, *, kept: Message | None = None) -> None:
        """Move it to the dead letters of its queue, as ``kept`` where that is given: without its secrets.

        Raises BrokerError where that failed; the delivery is then not ended.
        """


class Broker(Protocol):
    """Named durable queues. Every method may raise BrokerError, which a retry may cure."""

    async def publish(self, queue: str, message: Message) -> None:
        """Return once the broker has taken responsibility for the message (publisher confirm).

        After a BrokerError it may have been taken nevertheless, so a retry may double it. Raises
        MessageTooLarge, which no retry cures.
        """

    def consume(self, queue: str, *, prefetch: int) -> AbstractAsyncContextManager[AsyncIterator[Delivery]]:
        """Give deliveries of ``queue`` while the block is open, at most ``prefetch`` of them un-ended.

        One message is fetched for each wait, so that a busy consumer withholds none from others; a wait that
        is cancelled leaves at most one message here, for the next wait. Leaving the block returns un-ended
        deliveries to the queue, which counts as a delivery, and ends the iteration. Lost connections are
        reopened inside; deliveries that were un-ended then come again. Waiting for the next delivery may be
        cancelled and repeated.
        """

    async def open_topic(self, topic: str) -> None:
        """Create ``topic`` where it is missing, so that other systems can bind their queues to it."""

    async def emit(self, topic: str, message: Message, *, key: str) -> None:
        """Send ``message`` to every queue that is bound to ``topic`` by ``key``; there may be none.

        Returns once the broker has taken responsibility; a retry may double the message, as with ``publish``.
        Messages emitted one after the other arrive in that order. Raises MessageTooLarge, and MessageRefused
        where a queue is full.
        """

    def listen(
        self, inbox: str, keys: Sequence[str], *, prefetch: int
    ) -> AbstractAsyncContextManager[AsyncIterator[Delivery]]:
        """Give deliveries, as ``consume`` does, of what other systems send to ``inbox`` under ``keys``.

        Messages under other keys arrive too, so that they can be answered. ``inbox`` is a queue: from the
        first ``listen`` on it keeps messages while there is no listener, and it has dead letters. Bodies may
        be of any length.
        """

    async def answer(self, queue: str, message: Message) -> bool:
        """Put ``message`` into a queue that another system named; False where it is missing or full."""

    async def is_exclusive(self, queue: str) -> bool:
        """Tell whether ``queue`` belongs to one connection of another system, and nobody else may read it.

        False where it is missing, or may be read by others. The broker does not tell whose connection it is.
        """

    def dead_letters(self, queue: str) -> AsyncIterator[DeadLetter]:
        """Give the current dead letters of ``queue``, without removing them.

        While this runs, other readers may not see those that were given here.
        """

    async def replay(self, queue: str, *, message_id: str | None = None) -> int:
        """Publish the current dead letters of ``queue`` again, and give how many.

        With ``message_id`` only those with this id. Each is published before it is removed: after an error
        one may be there twice, and none is lost.
        """

    async def discard(self, queue: str, *, message_id: str | None = None) -> int:
        """Remove the current dead letters of ``queue``, and give how many; with ``message_id`` only its own.

        It removes at most ``REMOVED_AT_ONCE``, the oldest first. May be repeated.
        """

    async def remove_dead_letters(self, queue: str, *, older_than: timedelta) -> int:
        """Remove the dead letters of ``queue`` that became so before that time, and give how many.

        It removes at most ``REMOVED_AT_ONCE``, the oldest first. May be repeated.
        """

    async def version(self) -> str:
        """Give the name and version of what carries the messages."""

    async def check(self) -> None:
        """Raise BrokerError where the broker cannot be used now (readiness)."""
