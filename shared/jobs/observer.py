"""Who is told of what becomes of jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Protocol

from shared.jobs.models import Job, JobKind, JobState, UploadOutcome
from shared.jobs.progress import Progress


class AttemptEnd(Enum):
    """How a worker's attempt at a job ended."""

    FINISHED = "finished"
    FAILED = "failed"
    RETRIED = "retried"
    HANDED_BACK = "handed_back"
    LEASE_LOST = "lease_lost"
    LEFT = "left"  # its end could not be written: the sweeper sees to it


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many jobs of one kind are in one state, and for how long the oldest of them has been there."""

    kind: JobKind
    state: JobState
    count: int
    oldest: timedelta


class JobObserver(Protocol):
    """Is told of what becomes of jobs, as it happens. No method raises or waits."""

    def claimed(self, job: Job) -> None:
        """A worker took the job."""

    def ended(self, job: Job, end: AttemptEnd, *, lasted: timedelta, progress: Progress) -> None:
        """An attempt is over, and its end is written."""

    def rejected(self, kind: JobKind) -> None:
        """A message in the queue of that kind named no job, and went to the dead letters."""

    def expired(self, kind: JobKind, state: JobState) -> None:
        """The sweeper found a lease that had expired, and moved the job to ``state``."""

    def uploaded(self, outcome: UploadOutcome) -> None:
        """An export was sent to its user's address, or could not be."""

    def depth(self, waiting: Sequence[Waiting]) -> None:
        """So many jobs are on their way; a kind and state that is not named has none."""


class Unobserved:
    """JobObserver that keeps nothing."""

    def claimed(self, job: Job) -> None:
        """See JobObserver."""

    def ended(self, job: Job, end: AttemptEnd, *, lasted: timedelta, progress: Progress) -> None:
        """See JobObserver."""

    def rejected(self, kind: JobKind) -> None:
        """See JobObserver."""

    def expired(self, kind: JobKind, state: JobState) -> None:
        """See JobObserver."""

    def uploaded(self, outcome: UploadOutcome) -> None:
        """See JobObserver."""

    def depth(self, waiting: Sequence[Waiting]) -> None:
        """See JobObserver."""


UNOBSERVED = Unobserved()
