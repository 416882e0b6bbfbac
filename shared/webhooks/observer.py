"""Who is told of what becomes of deliveries: metrics, mostly."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class DeliveryEnd(StrEnum):
    """How one request to a webhook ended; ``FAILED`` was the last one."""

    DELIVERED = "delivered"
    RETRIED = "retried"
    FAILED = "failed"


class DeliveryObserver(Protocol):
    """Is told while it happens; must neither wait nor raise."""

    def attempted(self, end: DeliveryEnd) -> None:
        """One request is over, and noted."""


class _Nobody:
    def attempted(self, end: DeliveryEnd) -> None:
        """Nobody is told."""


NOBODY: DeliveryObserver = _Nobody()
