"""The index in Postgres: snapshot -> entries -> segments of relations.

Rows of an open snapshot are written in batches while the job runs, so that memory stays flat whatever the
number of entries. ``commit`` makes the snapshot the project's current one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from asyncpg import ForeignKeyViolationError

from shared.database.pool import Connection, Database, Pool, Row
from shared.errors import CrossdockError, LeaseLost
from shared.gitlab.features import NAMES, ProjectFeatures
from shared.gitlab.layout import FileKind, folder_of
from shared.gitlab.visibility import Visibility
from shared.jobs.models import Lease
from shared.snapshots import runs as body_runs
from shared.snapshots.models import Body, BodyRun, Entry, EntryKind, PlacedEntry, Segment
from shared.snapshots.packed_files import copy_packed_files

_PAGE = 1000
_RELATIONS = folder_of(FileKind.RELATION)
_SHARING = timedelta(minutes=10)
"""How long copying the rows of a snapshot may take; it may have millions of entries."""
_ENTRY = (
    "name",
    "kind",
    "mtime",
    "object_id",
    "position",
    "stored_size",
    "raw_size",
    "crc32",
    "sha256",
    "lines",
)
_SEGMENT = ("name", "first_line", "lines", "position", "stored_size", "raw_size", "crc32")
PLACED = """SELECT e.*, coalesce(o.key, '') AS key
            FROM entries e LEFT JOIN objects o ON o.id = e.object_id"""
"""SQL for the rows of which ``placed_entry`` makes entries."""

_Values: TypeAlias = tuple[object, ...]
_FEW = 100
"""How many rows are appended by one statement; a COPY for each table is faster where there are many."""

_APPEND = f"""WITH entered AS (
        INSERT INTO entries (snapshot_id, {", ".join(_ENTRY)})
        SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[],
                                 $7::bigint[], $8::bigint[], $9::bigint[], $10::bytea[], $11::bigint[])),
    laid_out AS (
        INSERT INTO runs (snapshot_id, {", ".join(body_runs.COLUMNS)})
        SELECT $1, * FROM unnest($19::bigint[], $20::text[], $21::bytea[], $22::bigint[], $23::bigint[],
                                 $24::bigint[], $25::bigint[], $26::bigint[]))
    INSERT INTO segments (snapshot_id, {", ".join(_SEGMENT)})
    SELECT $1, * FROM unnest($12::text[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[],
                             $17::bigint[], $18::bigint[])"""  # noqa: S608  # fixed texts


class SnapshotOutdated(CrossdockError):
    """The project has got other content than that from which the snapshot was made."""

    code = "snapshot_outdated"
    retryable = True

    def __init__(self, project_id: int) -> None:
        super().__init__(f"project {project_id} got new content meanwhile")


class SnapshotGone(CrossdockError):
    """The snapshot was collected while it was read or written."""

    code = "snapshot_gone"
    retryable = True

    def __init__(self, snapshot_id: int) -> None:
        super().__init__(f"snapshot {snapshot_id} was dropped while it was used")


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentContent:
    """A project's current snapshot with all that says to whom its content is shown, read at one moment.

    ``snapshot_id`` is None where the project has no content, and ``features`` where its row lacks any.
    """

    snapshot_id: int | None
    features: ProjectFeatures | None
    overrides: Mapping[str, object]
    visibility: Visibility


async def open_snapshot(pool: Pool, lease: Lease, *, project_id: int) -> int:
    """Open the snapshot of an import, and delete that of an earlier attempt of the same job.

    The deletion also stops the earlier attempt: its next batch names a snapshot that does not exist. Raises
    LeaseLost.
    """
    snapshot_id: int | None = await pool.fetchval(
        """WITH held AS (
               SELECT id, snapshot_id FROM jobs WHERE id = $1 AND lease = $2 AND state = 'running' FOR UPDATE
           ), earlier AS (
               DELETE FROM snapshots WHERE id IN (SELECT snapshot_id FROM held)
           ), opened AS (
               INSERT INTO snapshots (project_id) SELECT $3 FROM held RETURNING id
           )
           UPDATE jobs SET snapshot_id = opened.id FROM held, opened WHERE jobs.id = held.id
           RETURNING opened.id""",
        lease.job_id, lease.token, project_id,
    )  # fmt: skip
    if snapshot_id is None:
        raise LeaseLost(lease.job_id)
    return snapshot_id


async def append_for_job(
    pool: Pool,
    lease: Lease,
    *,
    snapshot_id: int,
    entries: Sequence[Entry],
    segments: Sequence[Segment],
    runs: Sequence[BodyRun] = (),
) -> None:
    """Append rows to the open snapshot of a job. Raises LeaseLost where another attempt has deleted it."""
    try:
        await append(pool, snapshot_id=snapshot_id, entries=entries, segments=segments, runs=runs)
    except SnapshotGone as error:
        raise LeaseLost(lease.job_id) from error


async def append(
    pool: Pool,
    *,
    snapshot_id: int,
    entries: Sequence[Entry],
    segments: Sequence[Segment],
    runs: Sequence[BodyRun] = (),
) -> None:
    """Append rows to a snapshot, all or none. Raises SnapshotGone."""
    rows_of_entries = [_row_of_entry(entry) for entry in entries]
    rows_of_segments = [_row_of_segment(segment) for segment in segments]
    try:
        if len(entries) + len(segments) + len(runs) <= _FEW:
            columns = (
                *_columns(rows_of_entries, len(_ENTRY)),
                *_columns(rows_of_segments, len(_SEGMENT)),
                *_columns([body_runs.row_of(run) for run in runs], len(body_runs.COLUMNS)),
            )
            await pool.execute(_APPEND, snapshot_id, *columns)
            return
        async with pool.acquire() as db, db.transaction():
            await _copy(db, "entries", _ENTRY, snapshot_id, rows_of_entries)
            await _copy(db, "segments", _SEGMENT, snapshot_id, rows_of_segments)
            await body_runs.copy_runs(db, snapshot_id, runs)
    except ForeignKeyViolationError as error:
        raise SnapshotGone(snapshot_id) from error


async def _copy(
    db: Connection, table: str, columns: Sequence[str], snapshot_id: int, rows: Sequence[_Values]
) -> None:
    await db.copy_records_to_table(
        table, columns=("snapshot_id", *columns), records=((snapshot_id, *row) for row in rows)
    )


def _row_of_entry(e: Entry) -> _Values:
    return (
        e.name, e.kind.value, e.mtime, e.object_id, e.position, e.stored_size, e.raw_size, e.crc32, e.sha256,
        e.lines,
    )  # fmt: skip


def _row_of_segment(s: Segment) -> _Values:
    return s.name, s.first_line, s.lines, s.position, s.stored_size, s.raw_size, s.crc32


def _columns(rows: Sequence[_Values], width: int) -> list[list[object]]:
    """Give rows of ``width`` values column by column."""
    return [[row[column] for row in rows] for column in range(width)]


async def commit(
    db: Connection,
    *,
    snapshot_id: int,
    project_id: int,
    features: ProjectFeatures,
    body: Body | None = None,
    content_sha256: bytes | None = None,
) -> None:
    """Make the snapshot the project's current one; visible once the caller's transaction is committed.

    ``features`` are those of the snapshot's record; ``body`` is that of an archive, where it is laid out;
    ``content_sha256`` is the digest of its files, where it is made.
    """
    await db.execute(
        f"""WITH committed AS (UPDATE snapshots SET committed_at = now(), features = $3, content_sha256 = $4,
                ({", ".join(body_runs.TOTALS)}) = ROW ($5, $6, $7, $8, $9, $10) WHERE id = $1)
           UPDATE projects SET snapshot_id = $1 WHERE id = $2""",  # noqa: S608  # fixed texts
        snapshot_id, project_id, features.levels, content_sha256, *body_runs.totals_of(body),
    )  # fmt: skip


async def share(pool: Pool, lease: Lease, *, base: int, snapshot_id: int, but: str) -> None:
    """Copy all rows of ``base``, except those of entry ``but``, to an open snapshot; no bytes are copied.

    Raises SnapshotGone where ``base`` was collected meanwhile, and LeaseLost as ``append_for_job`` does.
    """
    try:
        await copy_rows(pool, base=base, snapshot_id=snapshot_id, but=but)
    except ForeignKeyViolationError as error:
        raise LeaseLost(lease.job_id) from error
    # Each table was copied as it was at its own moment. A snapshot never changes, so it was complete at both
    # where it still exists now.
    if not await pool.fetchval("SELECT true FROM snapshots WHERE id = $1", base):
        raise SnapshotGone(base)


async def copy_rows(db: Database, *, base: int, snapshot_id: int, but: str = "") -> None:
    """Copy all rows of ``base``, except those of entry ``but``, to the snapshot."""
    for table, columns in (("entries", _ENTRY), ("segments", _SEGMENT)):
        named = ", ".join(columns)
        await db.execute(
            f"""INSERT INTO {table} (snapshot_id, {named})
                SELECT $2, {named} FROM {table} WHERE snapshot_id = $1 AND name <> $3""",  # noqa: S608  # fixed texts
            base, snapshot_id, but, timeout=_SHARING.total_seconds(),
        )  # fmt: skip
    await copy_packed_files(db, base=base, snapshot_id=snapshot_id)


async def commit_on_base(
    db: Connection,
    *,
    base: int | None,
    snapshot_id: int,
    project_id: int,
    features: ProjectFeatures,
    body: Body | None = None,
    content_sha256: bytes | None = None,
) -> None:
    """Commit the snapshot where the project's current one is ``base``. Raises SnapshotOutdated."""
    # Locked, so that no other commit comes between the comparison and ours.
    await db.execute("SELECT FROM projects WHERE id = $1 FOR NO KEY UPDATE", project_id)
    if await current(db, project_id) != base:
        raise SnapshotOutdated(project_id)
    await commit(
        db, snapshot_id=snapshot_id, project_id=project_id, features=features, body=body,
        content_sha256=content_sha256,
    )  # fmt: skip


async def pin(pool: Pool, lease: Lease) -> int | None:
    """Give the snapshot that an export reads: the project's current one at the job's first attempt.

    The job's row names it from then on, so that it outlives an overwrite. None where the project has no
    content. Raises LeaseLost.
    """
    row = await pool.fetchrow(
        """UPDATE jobs SET snapshot_id = coalesce(
               snapshot_id, (SELECT p.snapshot_id FROM projects p WHERE p.id = project_id))
           WHERE id = $1 AND lease = $2 AND state = 'running' RETURNING snapshot_id""",
        lease.job_id, lease.token,
    )  # fmt: skip
    if row is None:
        raise LeaseLost(lease.job_id)
    pinned: int | None = row["snapshot_id"]
    return pinned


async def current(db: Database, project_id: int) -> int | None:
    """Give the project's current snapshot; None where it has no content."""
    snapshot_id: int | None = await db.fetchval("SELECT snapshot_id FROM projects WHERE id = $1", project_id)
    return snapshot_id


async def current_content(db: Database, project_id: int) -> CurrentContent | None:
    """Give the project's current content; None where the project is deleted."""
    row = await db.fetchrow(
        """SELECT p.snapshot_id, p.overrides, p.visibility, s.features
           FROM projects p LEFT JOIN snapshots s ON s.id = p.snapshot_id WHERE p.id = $1""",
        project_id,
    )
    if row is None:
        return None
    levels = row["features"] or {}
    return CurrentContent(
        snapshot_id=row["snapshot_id"],
        # A version that knew fewer features wrote fewer of them.
        features=ProjectFeatures.of(levels.get) if levels.keys() >= set(NAMES) else None,
        overrides=row["overrides"],
        visibility=Visibility(row["visibility"]),
    )


async def keep_features(db: Database, snapshot_id: int, features: ProjectFeatures) -> None:
    """Write the features of a snapshot into its row. May be repeated, as a snapshot never changes."""
    await db.execute("UPDATE snapshots SET features = $2 WHERE id = $1", snapshot_id, features.levels)


async def read_entries(db: Database, snapshot_id: int, *, folder: str = "") -> AsyncIterator[PlacedEntry]:
    """Give all entries in ascending order of the bytes of their names, read a page at a time.

    With ``folder``, which ends in ``/``, only those in that folder. Raises SnapshotGone where the snapshot
    was collected meanwhile, rather than end early.
    """
    after, end = folder, behind(folder) if folder else None
    while True:
        rows = await db.fetch(
            f"""{PLACED} WHERE e.snapshot_id = $1 AND e.name > $2 AND ($3::text IS NULL OR e.name < $3)
                ORDER BY e.name LIMIT $4""",
            snapshot_id, after, end, _PAGE,
        )  # fmt: skip
        for row in rows:
            yield placed_entry(row)
        if len(rows) < _PAGE:
            break
        after = rows[-1]["name"]
    if not await db.fetchval("SELECT true FROM snapshots WHERE id = $1", snapshot_id):
        raise SnapshotGone(snapshot_id)


async def relations(db: Database, snapshot_id: int) -> list[Entry]:
    """List the relations of a snapshot: as many as GitLab has names for."""
    rows = await db.fetch(
        """SELECT * FROM entries WHERE snapshot_id = $1 AND kind = 'relation'
           AND name > $2 AND name < $3 ORDER BY name""",
        snapshot_id, _RELATIONS, behind(_RELATIONS),
    )  # fmt: skip
    return [_entry(row) for row in rows]


async def find_entry(db: Database, snapshot_id: int, name: str) -> PlacedEntry | None:
    """Find one entry by its name."""
    return (await find_entries(db, snapshot_id, [name])).get(name)


async def find_entries(db: Database, snapshot_id: int, names: Sequence[str]) -> dict[str, PlacedEntry]:
    """Find entries by their names, by one statement."""
    rows = await db.fetch(f"{PLACED} WHERE e.snapshot_id = $1 AND e.name = ANY ($2)", snapshot_id, names)
    return {row["name"]: placed_entry(row) for row in rows}


async def find_segment(db: Database, snapshot_id: int, name: str, *, line: int) -> Segment | None:
    """Find the segment that holds ``line`` (0-based) of the relation stored under ``name``."""
    row = await db.fetchrow(
        """SELECT * FROM segments WHERE snapshot_id = $1 AND name = $2 AND first_line <= $3
           AND $3 < first_line + lines ORDER BY first_line DESC LIMIT 1""",
        snapshot_id, name, line,
    )  # fmt: skip
    return _segment(row) if row else None


async def read_segments(db: Database, snapshot_id: int, name: str) -> AsyncGenerator[Segment, None]:
    """Give all segments of the relation stored under ``name``, in order, read a page at a time."""
    first_line = position = -1
    while True:
        rows = await db.fetch(
            """SELECT * FROM segments WHERE snapshot_id = $1 AND name = $2
               AND (first_line, position) > ($3, $4) ORDER BY first_line, position LIMIT $5""",
            snapshot_id, name, first_line, position, _PAGE,
        )  # fmt: skip
        for row in rows:
            yield _segment(row)
        if len(rows) < _PAGE:
            return
        first_line, position = rows[-1]["first_line"], rows[-1]["position"]


def _segment(row: Row) -> Segment:
    return Segment(**{column: row[column] for column in _SEGMENT})


def behind(folder: str) -> str:
    """Give what is behind all names in a folder, whose own ends in ``/``: "0" comes next after that."""
    return f"{folder[:-1]}0"


def placed_entry(row: Row) -> PlacedEntry:
    """Make an entry of a row of entries with the key of its object."""
    return PlacedEntry(_entry(row), row["key"])


def _entry(row: Row) -> Entry:
    return Entry(**{**{column: row[column] for column in _ENTRY}, "kind": EntryKind(row["kind"])})
