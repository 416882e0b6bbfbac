"""Claims: a worker takes the next jobs of a kind, which the rule of fairness picks.

The next job is that of the user with the fewest running jobs; of several, of the user who was served longest
ago; of several, the oldest. Without the second rule, whoever ends a job would be next again where there are
fewer slots than users. The rule is a function of the database, ``claim_jobs`` in ``functions.sql``, so that a
claim is one statement, in which no client can pause.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import msgspec
import structlog

from shared.database.pool import Database, Row
from shared.jobs.models import Job, JobKind
from shared.jobs.store import JOB, job_of
from shared.logs import describe

_PATIENCE_FOR_LOCKS = timedelta(milliseconds=200)
"""How long a claim waits for a locked job, while no other of its kind can be made."""

AT_ONCE = 16
"""The most jobs that one statement claims: other claims of the kind wait for it."""

_CLAIM = f"SELECT {JOB} FROM claim_jobs($1, $2, $3, $4, $5, $6, $7, $8)"  # noqa: S608  # fixed texts
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How the slots of a kind are shared.

    A user may run at most ``percent`` of all slots, rounded up: 90 % of less than ten are all. The weight of
    a user, by name, says how many jobs of theirs run for one of a user of weight 1, that of all others.
    """

    percent: int = 90
    weights: Mapping[str, float] = field(default_factory=dict)


async def claim_next(
    db: Database, kind: JobKind, *, worker: str, ttl: timedelta, shares: Shares, most: int = 1
) -> Sequence[Job]:
    """Claim up to ``most`` due jobs of a kind, ``AT_ONCE`` at most, for ``ttl``. Fewer: no more may be now.

    Raises LockNotAvailableError if other claims of the kind take longer than 5 seconds.
    """
    rows = await db.fetch(
        _CLAIM, kind.value, worker, ttl, shares.percent, list(shares.weights), list(shares.weights.values()),
        min(most, AT_ONCE), str(_PATIENCE_FOR_LOCKS // timedelta(milliseconds=1)),
    )  # fmt: skip
    return list(_readable(rows))


def _readable(rows: Sequence[Row]) -> Iterator[Job]:
    """Yield the jobs of rows. One that cannot be read is left to its lease: it must not come first again."""
    for row in rows:
        try:
            yield job_of(row)
        except (msgspec.ValidationError, ValueError, TypeError) as error:
            _log.error("job_unreadable", job_id=row["id"], error=describe(error))
