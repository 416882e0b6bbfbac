"""The message broker: the port.

A message is a wake-up: small, at least once, in no promised order. Truth lives in Postgres.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Message:
    """``message_id`` and ``correlation_id`` are printable ASCII of at most 255 characters."""

    body: bytes
    message_id: str
    correlation_id: str | None = None


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

        Leaving the block gives un-ended deliveries back to the queue, which counts as a hand-over,
        and ends the iteration. Lost connections are mended inside; deliveries that were un-ended
        then come again. Waiting for the next delivery may be cancelled and taken up again.
        """

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
