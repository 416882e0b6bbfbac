"""What one reading of a source is done with: its limits, what it costs, and where it tells of itself."""

from __future__ import annotations

from dataclasses import dataclass

from shared.archive.budget import Budget
from shared.archive.limits import Limits
from shared.jobs.progress import Progress
from shared.restore.event_loop import EventLoopYielder
from shared.restore.failures import FailureLog


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One pass over a source. ``budget`` earns the bytes that come; ``failures`` has what is left out."""

    limits: Limits
    budget: Budget
    failures: FailureLog
    progress: Progress
    yielder: EventLoopYielder

    def count(self, received: int) -> None:
        """Count bytes that have come."""
        self.progress.bytes_done += received
        self.budget.earn(received)
