"""Commands as operators see them: by what became of each."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from shared.broker.base import Delivery, Message


class CommandEnd(StrEnum):
    """What became of one hand-over of a command; ``GIVEN_BACK`` comes again."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    GIVEN_BACK = "given_back"


class CommandObserver(Protocol):
    """Is told while it happens; must neither wait nor raise."""

    def ended(self, end: CommandEnd) -> None:
        """A hand-over is over, and the broker knows it."""


class _Nobody:
    def ended(self, end: CommandEnd) -> None:
        """Nobody is told."""


NOBODY: CommandObserver = _Nobody()


class Watched:
    """Delivery whose end an observer is told of."""

    def __init__(self, delivery: Delivery, observer: CommandObserver) -> None:
        self._delivery = delivery
        self._observer = observer

    @property
    def message(self) -> Message:
        """See Delivery."""
        return self._delivery.message

    async def ack(self) -> None:
        """See Delivery."""
        await self._delivery.ack()
        self._observer.ended(CommandEnd.ACCEPTED)

    async def requeue(self) -> None:
        """See Delivery."""
        await self._delivery.requeue()
        self._observer.ended(CommandEnd.GIVEN_BACK)

    async def reject(self, reason: str) -> None:
        """See Delivery."""
        await self._delivery.reject(reason)
        self._observer.ended(CommandEnd.REFUSED)
