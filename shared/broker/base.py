"""The message broker: the port.

A message between our services is a wake-up: small, at least once, in no promised order. Truth lives in
Postgres. Other systems are told of events through topics, and send commands to inboxes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from shared.errors import BrokerError, Fault

MAX_BODY_BYTES = 64 * 1024
"""The largest body that is taken."""

MAX_REASON_CHARACTERS = 1000
"""What is kept of the reason of a dead letter."""

DELIVERY_LIMIT = 5
"""Hand-overs of one message before it becomes a dead letter."""

LIMIT_REASON = "delivery_limit"
"""The reason of a dead letter that used up its hand-overs."""


class MessageTooLarge(BrokerError):
    """The body is over ``MAX_BODY_BYTES``; sending it again gives the same answer."""

    code = "message_too_large"
    fault = Fault.US
    retryable = False

    def __init__(self, size: int) -> None:
        super().__init__(f"a body of {size} bytes is over the limit of {MAX_BODY_BYTES} bytes")
        self.size = size


class MessageRefused(BrokerError):
    """A queue that the message was for took none, as it is full: others may have got it."""

    code = "message_refused"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: a queue did not take the message")


@dataclass(frozen=True, slots=True)
class Message:
    """``message_id`` and ``correlation_id`` are printable ASCII of at most 255 characters.

    ``reply_to`` is the queue of another system, which waits there for an answer. ``user_id`` is who sent
    the message, where the broker has made sure of that; a dead letter that is replayed keeps it.
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
    """A message that was given up on, with the broker's or the worker's reason."""

    message: Message
    queue: str
    reason: str


class Delivery(Protocol):
    """One hand-over of a message. Exactly one of the three moves ends it.

    A further move does nothing, and so does a move on a delivery that was lost with its connection
    or given back with its block: that message comes again.
    """

    @property
    def message(self) -> Message:
        """What was handed over."""

    async def ack(self) -> None:
        """Done with it; it does not come again, unless the connection is lost just now."""

    async def requeue(self) -> None:
        """Give it back; it comes again, here or elsewhere, at most ``DELIVERY_LIMIT`` times in all."""

    async def reject(self, reason: str) -> None:
        """Put it into the dead letters of its queue.

        Raises BrokerError where they did not take it; the delivery is then not ended.
        """


class Broker(Protocol):
    """Named durable queues. Every method may raise BrokerError, which a retry may cure."""

    async def publish(self, queue: str, message: Message) -> None:
        """Return once the broker has taken responsibility for the message (publisher confirm).

        After a BrokerError it may have been taken nevertheless, so a retry may double it. Raises
        MessageTooLarge, which no retry cures.
        """

    def consume(self, queue: str, *, prefetch: int) -> AbstractAsyncContextManager[AsyncIterator[Delivery]]:
        """Deliveries of ``queue`` while the block is open, at most ``prefetch`` of them un-ended.

        One message is fetched for each wait, so that who is busy keeps none from others; a wait that is
        cancelled leaves at most one with us, for the next wait.
        Leaving the block gives un-ended deliveries back to the queue, which counts as a hand-over,
        and ends the iteration. Lost connections are mended inside; deliveries that were un-ended
        then come again. Waiting for the next delivery may be cancelled and taken up again.
        """

    async def open_topic(self, topic: str) -> None:
        """Make sure of ``topic``, so that others can bind their queues to it."""

    async def emit(self, topic: str, message: Message, *, key: str) -> None:
        """Give ``message`` to every queue that is bound to ``topic`` by ``key``, which may be none.

        Returns once the broker has taken responsibility, and may double as ``publish`` may. Those that are
        given one after the other arrive in that order. Raises MessageTooLarge, and MessageRefused where a
        queue is full.
        """

    def listen(
        self, inbox: str, keys: Sequence[str], *, prefetch: int
    ) -> AbstractAsyncContextManager[AsyncIterator[Delivery]]:
        """Deliveries, as ``consume`` gives them, of what other systems send to ``inbox`` under ``keys``.

        What they send under another key arrives as well, so that it can be answered. ``inbox`` is a queue:
        it keeps what comes while nobody listens, from the first time on that somebody did, and it has
        dead letters. Bodies may be of any length.
        """

    async def answer(self, queue: str, message: Message) -> bool:
        """Put ``message`` into a queue that another system named; False where none is, or it is full."""

    def dead_letters(self, queue: str) -> AsyncIterator[DeadLetter]:
        """The dead letters of ``queue`` as they lie there now; looking does not remove them.

        While one looks, others may not see those that were already given.
        """

    async def replay(self, queue: str) -> int:
        """Publish the dead letters of ``queue`` that lie there now again; give how many.

        Each is published before it is removed: after an error one may be there twice, none is lost.
        """

    async def check(self) -> None:
        """Raise BrokerError where the broker cannot be used now (readiness)."""
