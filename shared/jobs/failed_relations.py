"""The records that an import left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from shared.database.pool import Database, Row
from shared.jobs.models import Job

_COLUMNS = ("id", "created_at", "exception_class", "exception_message", "source", "relation", "line_number")


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRelation:
    """One record that an import left out, and why; ``line_number`` counts from 0."""

    id: int
    created_at: datetime
    exception_class: str
    exception_message: str
    source: str
    relation: str
    line_number: int | None


async def list_in_order(db: Database, job: Job, *, after: int, limit: int) -> list[FailedRelation]:
    """List up to ``limit`` failures of the job's last attempt, by ascending id, after the id ``after``."""
    rows = await db.fetch(
        """SELECT * FROM failed_relations WHERE job_id = $1 AND lease = $2 AND id > $3
           ORDER BY id LIMIT $4""",
        job.id, job.lease, after, limit,
    )  # fmt: skip
    return [_failed(row) for row in rows]


def of_documents(documents: Sequence[Mapping[str, object]]) -> list[FailedRelation]:
    """Make failures of their rows as JSON."""
    return msgspec.convert(documents, list[FailedRelation])


def _failed(row: Row) -> FailedRelation:
    return FailedRelation(**{column: row[column] for column in _COLUMNS})
