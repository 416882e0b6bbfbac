"""Runs in Postgres: the body of an archive of a snapshot."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from shared.database.pool import Connection, Database, Row
from shared.snapshots.models import Body, BodyRun

_PAGE = 1000
COLUMNS = ("start", "name", "lead", "object_id", "position", "size", "raw_size", "crc32")

TOTALS = ("layout", "body_size", "body_raw_size", "body_crc32", "entries", "document")
"""The columns that the row of a snapshot has for its body."""
BODY = ", ".join(f"s.{column}" for column in TOTALS)
"""SQL for these of a snapshot ``s``, of which ``body_of`` makes the body."""


@dataclass(frozen=True, slots=True)
class PlacedRun:
    """A run and the key of its object ("" where it has none)."""

    run: BodyRun
    key: str


async def copy_runs(db: Connection, snapshot_id: int, runs: Sequence[BodyRun]) -> None:
    """Append runs to a snapshot."""
    if not runs:
        return
    await db.copy_records_to_table(
        "runs",
        columns=("snapshot_id", *COLUMNS),
        records=((snapshot_id, *row_of(run)) for run in runs),
    )


def row_of(run: BodyRun) -> tuple[object, ...]:
    """Give the values of a run's columns."""
    return tuple(getattr(run, column) for column in COLUMNS)


async def find_body(db: Database, snapshot_id: int) -> Body | None:
    """Find the totals of a snapshot's body; None where it is not laid out."""
    row = await db.fetchrow(f"SELECT {BODY} FROM snapshots s WHERE s.id = $1", snapshot_id)  # noqa: S608  # fixed text
    return body_of(row) if row else None


def body_of(row: Row) -> Body | None:
    """Make the body of a row with ``BODY``; None where it is not laid out."""
    if row["layout"] is None:
        return None
    layout, size, raw_size, crc32, entries, document = (row[column] for column in TOTALS)
    return Body(layout=layout, size=size, raw_size=raw_size, crc32=crc32, entries=entries, document=document)


async def keep_body(db: Database, snapshot_id: int, body: Body) -> None:
    """Write the totals of a body into the row of its snapshot, once all of its runs are there."""
    await db.execute(
        f"UPDATE snapshots SET ({', '.join(TOTALS)}) = ROW ($2, $3, $4, $5, $6, $7) WHERE id = $1",  # noqa: S608  # fixed texts
        snapshot_id, *totals_of(body),
    )  # fmt: skip


def totals_of(body: Body | None) -> tuple[object, ...]:
    """Give the values of the columns ``TOTALS``."""
    if body is None:
        return (None,) * len(TOTALS)
    return body.layout, body.size, body.raw_size, body.crc32, body.entries, body.document


async def read_runs(db: Database, snapshot_id: int, *, offset: int = 0) -> AsyncGenerator[PlacedRun, None]:
    """Give the runs of a body from the one on that has the byte at ``offset``, read a page at a time."""
    query = """SELECT r.*, coalesce(o.key, '') AS key FROM runs r LEFT JOIN objects o ON o.id = r.object_id
               WHERE r.snapshot_id = $1 AND r.start >= coalesce($2, (
                   SELECT max(start) FROM runs WHERE snapshot_id = $1 AND start <= $3), 0)
               ORDER BY r.start LIMIT $4"""
    after: int | None = None
    while True:
        rows = await db.fetch(query, snapshot_id, after, offset, _PAGE)
        for row in rows:
            yield PlacedRun(_run(row), row["key"])
        if len(rows) < _PAGE:
            return
        after = rows[-1]["start"] + 1


def _run(row: Row) -> BodyRun:
    return BodyRun(**{column: row[column] for column in COLUMNS})


async def first_key(db: Database, snapshot_id: int) -> str | None:
    """Give the key of the first object of a body; None where it has none."""
    key: str | None = await db.fetchval(
        """SELECT o.key FROM runs r JOIN objects o ON o.id = r.object_id
           WHERE r.snapshot_id = $1 ORDER BY r.start LIMIT 1""",
        snapshot_id,
    )
    return key
