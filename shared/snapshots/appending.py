"""Appends rows to a snapshot: new ones in batches, or those of another snapshot.

Rows of an open snapshot are written in batches while the job runs, so that memory stays flat whatever the
number of entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from asyncpg import ForeignKeyViolationError

from shared.database.pool import Connection, Database, Pool
from shared.errors import LeaseLost
from shared.jobs.models import Lease
from shared.snapshots import quarantine
from shared.snapshots import runs as body_runs
from shared.snapshots.columns import ENTRY, SEGMENT, Values, row_of_entry, row_of_segment
from shared.snapshots.errors import SnapshotGone
from shared.snapshots.models import BodyRun, Entry, Segment
from shared.snapshots.packed_files import copy_packed_files
from shared.snapshots.quarantine import QuarantinedLine

_SHARING = timedelta(minutes=10)
"""How long copying the rows of a snapshot may take; it may have millions of entries."""

_FEW = 100
"""How many rows are appended by one statement; a COPY for each table is faster where there are many."""

_APPEND = f"""WITH entered AS (
        INSERT INTO entries (snapshot_id, {", ".join(ENTRY)})
        SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[],
                                 $7::bigint[], $8::bigint[], $9::bigint[], $10::bytea[], $11::bigint[])),
    laid_out AS (
        INSERT INTO runs (snapshot_id, {", ".join(body_runs.COLUMNS)})
        SELECT $1, * FROM unnest($19::bigint[], $20::text[], $21::bytea[], $22::bigint[], $23::bigint[],
                                 $24::bigint[], $25::bigint[], $26::bigint[]))
    INSERT INTO segments (snapshot_id, {", ".join(SEGMENT)})
    SELECT $1, * FROM unnest($12::text[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[],
                             $17::bigint[], $18::bigint[])"""  # noqa: S608  # fixed texts


async def append_for_job(
    pool: Pool,
    lease: Lease,
    *,
    snapshot_id: int,
    entries: Sequence[Entry],
    segments: Sequence[Segment],
    runs: Sequence[BodyRun] = (),
    quarantined: Sequence[QuarantinedLine] = (),
    withdrawn: Sequence[str] = (),
) -> None:
    """Append rows to the open snapshot of a job. Raises LeaseLost where another attempt has deleted it."""
    try:
        await append(
            pool, snapshot_id=snapshot_id, entries=entries, segments=segments, runs=runs,
            quarantined=quarantined, withdrawn=withdrawn,
        )  # fmt: skip
    except SnapshotGone as error:
        raise LeaseLost(lease.job_id) from error


async def append(
    pool: Pool,
    *,
    snapshot_id: int,
    entries: Sequence[Entry],
    segments: Sequence[Segment],
    runs: Sequence[BodyRun] = (),
    quarantined: Sequence[QuarantinedLine] = (),
    withdrawn: Sequence[str] = (),
) -> None:
    """Append rows to a snapshot, all or none. Raises SnapshotGone.

    First those of the ``withdrawn`` names are deleted, and, where there are such, all runs before: they have
    what is withdrawn among the rest.
    """
    rows_of_entries = [row_of_entry(entry) for entry in entries]
    rows_of_segments = [row_of_segment(segment) for segment in segments]
    try:
        if len(entries) + len(segments) + len(runs) <= _FEW and not withdrawn and not quarantined:
            columns = (
                *_columns(rows_of_entries, len(ENTRY)),
                *_columns(rows_of_segments, len(SEGMENT)),
                *_columns([body_runs.row_of(run) for run in runs], len(body_runs.COLUMNS)),
            )
            await pool.execute(_APPEND, snapshot_id, *columns)
            return
        async with pool.acquire() as db, db.transaction():
            await _delete(db, snapshot_id, withdrawn)
            await _copy(db, "entries", ENTRY, snapshot_id, rows_of_entries)
            await _copy(db, "segments", SEGMENT, snapshot_id, rows_of_segments)
            await body_runs.copy_runs(db, snapshot_id, runs)
            await quarantine.add(db, snapshot_id, quarantined)
    except ForeignKeyViolationError as error:
        raise SnapshotGone(snapshot_id) from error


async def _delete(db: Connection, snapshot_id: int, names: Sequence[str]) -> None:
    if names:
        for table in ("entries", "segments", "quarantined_lines"):
            await db.execute(
                f"DELETE FROM {table} WHERE snapshot_id = $1 AND name = ANY($2)",  # noqa: S608  # fixed texts
                snapshot_id, names,
            )  # fmt: skip
        await db.execute("DELETE FROM runs WHERE snapshot_id = $1", snapshot_id)


async def _copy(
    db: Connection, table: str, columns: Sequence[str], snapshot_id: int, rows: Sequence[Values]
) -> None:
    if not rows:
        return
    await db.copy_records_to_table(
        table, columns=("snapshot_id", *columns), records=((snapshot_id, *row) for row in rows)
    )


def _columns(rows: Sequence[Values], width: int) -> list[list[object]]:
    """Give rows of ``width`` values column by column."""
    return [[row[column] for row in rows] for column in range(width)]


async def share(pool: Pool, lease: Lease, *, base: int, snapshot_id: int, but: Sequence[str]) -> None:
    """Copy all rows of ``base``, except those of entries ``but``, to an open snapshot; no bytes are copied.

    All of the quarantine is copied.

    Raises SnapshotGone where ``base`` was collected meanwhile, and LeaseLost as ``append_for_job`` does.
    """
    try:
        await copy_rows(pool, base=base, snapshot_id=snapshot_id, but=but)
        await quarantine.share(pool, base=base, snapshot_id=snapshot_id)
    except ForeignKeyViolationError as error:
        raise LeaseLost(lease.job_id) from error
    await _require_base(pool, base)


async def share_apart(pool: Pool, *, base: int, snapshot_id: int, but: Sequence[str]) -> None:
    """Do the same for a snapshot that is no job's. Raises SnapshotGone where either was collected."""
    try:
        await copy_rows(pool, base=base, snapshot_id=snapshot_id, but=but)
    except ForeignKeyViolationError as error:
        raise SnapshotGone(snapshot_id) from error
    await _require_base(pool, base)


async def _require_base(pool: Pool, base: int) -> None:
    # Each table was copied as it was at its own moment. A snapshot never changes, so it was complete at both
    # where it still exists now.
    if not await pool.fetchval("SELECT true FROM snapshots WHERE id = $1", base):
        raise SnapshotGone(base)


async def copy_rows(db: Database, *, base: int, snapshot_id: int, but: Sequence[str] = ()) -> None:
    """Copy all rows of ``base``, except those of the entries ``but``, to the snapshot."""
    for table, columns in (("entries", ENTRY), ("segments", SEGMENT)):
        named = ", ".join(columns)
        await db.execute(
            f"""INSERT INTO {table} (snapshot_id, {named})
                SELECT $2, {named} FROM {table} WHERE snapshot_id = $1 AND name <> ALL ($3)""",  # noqa: S608  # fixed texts
            base, snapshot_id, list(but), timeout=_SHARING.total_seconds(),
        )  # fmt: skip
    await copy_packed_files(db, base=base, snapshot_id=snapshot_id)
