"""Parts: what one request writes into a push; its entries become the push's when it is complete.

A part is a snapshot that nothing reads. So its rows go to Postgres in batches, however many there are, and a
half-written part is never visible. It is kept while its request lasts, and for some minutes more. Of several
parts with one name the last that completes stays. What it replaces, and parts that broke off, are left to the
collector.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from asyncpg import ForeignKeyViolationError

from shared.archive.errors import ArchiveTooLarge, FileAndDirectory, TooManyEntries
from shared.archive.limits import Limits
from shared.database.pool import Connection, Pool
from shared.pushes import store
from shared.pushes.store import Push, PushGone
from shared.snapshots import appending, quarantine
from shared.snapshots.body import NoBody
from shared.snapshots.errors import SnapshotGone
from shared.snapshots.models import BodyRun, Entry, Segment
from shared.snapshots.packed_files import PackedFiles, PackedFilesWriter, add_packed_files
from shared.snapshots.quarantine import QuarantinedLine
from shared.snapshots.reading import KEPT, keep_prolonged
from shared.snapshots.rows import Rows
from shared.snapshots.writer import SnapshotWriter, write_into
from shared.storage.base import ObjectStore

_MOVING = timedelta(minutes=10)
"""How long moving the rows of a part may take; a relation may have millions of segments."""

_PACK_NOTHING = -1
"""A file that comes alone is an object of its own, stored once by its digest."""

_NAMED = "$2::text[]"
_OF_PART = "ARRAY(SELECT name FROM entries WHERE snapshot_id = $2)"
_CLASHES = """
WITH RECURSIVE above AS (
    SELECT substring(name FROM '^(.*)/') AS name FROM entries WHERE snapshot_id = $2
    UNION SELECT substring(name FROM '^(.*)/') FROM above WHERE name IS NOT NULL)
(SELECT f.name, f.name AS there FROM above a CROSS JOIN LATERAL (
    SELECT name FROM entries WHERE snapshot_id = $1 AND name = a.name AND kind <> 'directory' OFFSET 0) f
 LIMIT 1)
UNION ALL
(SELECT e.name, f.name AS there FROM entries e CROSS JOIN LATERAL (
    SELECT name FROM entries WHERE snapshot_id = $1 AND name > e.name || '/' AND name < e.name || '0'
    AND kind <> 'directory' LIMIT 1) f
 WHERE e.snapshot_id = $2 AND e.kind <> 'directory' LIMIT 1)
"""
"""Files of a push that are above or below those of a part; "0" comes next after "/".

Looked up from the part, which is often the smaller one by far: Postgres cannot know how many rows it has.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """An open part: what one request writes; ``packed`` has the stretches of its pack."""

    push: Push
    writer: SnapshotWriter
    packed: Sequence[PackedFiles] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """How many entries came into a push or went out of it, and their raw bytes."""

    entries: int
    raw_size: int


_SUMS = "SELECT count(*) AS entries, coalesce(sum(raw_size), 0)::bigint AS raw_size"


@asynccontextmanager
async def write_part(
    pool: Pool, store: ObjectStore, push: Push, *, packed_up_to: int | None = None
) -> AsyncIterator[Part]:
    """Open a part, whose blobs of up to ``packed_up_to`` bytes share a pack; None is for a part of one entry.

    Raises PushGone. Leaving the block without ``commit_part`` aborts the part.
    """
    number = await _open_part(pool, push)
    rows, packed = Rows(partial(_append, pool, push, number)), PackedFilesWriter()
    is_packed = packed_up_to is not None
    try:
        async with keep_prolonged(pool, number), write_into(
            pool, store, rows=rows, snapshot_id=number, layout=packed if is_packed else NoBody(),
            packed_up_to=_PACK_NOTHING if packed_up_to is None else packed_up_to,
        ) as writer:  # fmt: skip
            yield Part(push=push, writer=writer, packed=packed.written)
    finally:
        await pool.execute("DELETE FROM snapshots WHERE id = $1", number, timeout=_MOVING.total_seconds())


async def _open_part(pool: Pool, push: Push) -> int:
    try:
        number: int = await pool.fetchval(
            """INSERT INTO snapshots (project_id, part_of, read_until) VALUES ($1, $2, now() + $3)
               RETURNING id""",
            push.project_id, push.id, KEPT,
        )  # fmt: skip
    except ForeignKeyViolationError as error:
        raise PushGone(push.id) from error
    return number


async def _append(
    pool: Pool,
    push: Push,
    part: int,
    *,
    entries: Sequence[Entry],
    segments: Sequence[Segment],
    runs: Sequence[BodyRun],
    quarantined: Sequence[QuarantinedLine],
    withdrawn: Sequence[str],
) -> None:
    try:
        await appending.append(
            pool, snapshot_id=part, entries=entries, segments=segments, runs=runs, quarantined=quarantined,
            withdrawn=withdrawn,
        )  # fmt: skip
    except SnapshotGone as error:
        raise PushGone(push.id) from error


async def commit_part(
    pool: Pool,
    part: Part,
    *,
    name: str,
    limits: Limits,
    idle: timedelta,
    attributes: Mapping[str, object] | None = None,
) -> Moved:
    """Make the entries of a complete part, at least one, those of the push, in place of earlier ones.

    ``name`` is the last of them, for messages. ``attributes`` replace those of the push where they are given.
    Raises PushGone, PushCommitted, FileAndDirectory, TooManyEntries, ArchiveTooLarge and QuarantineFull, and
    changes nothing.
    """
    number, push = part.writer.snapshot_id, part.push
    async with pool.acquire() as db, db.transaction():
        held = await store.hold(db, push, idle=idle)
        await _refuse_clash(db, push, number)
        gone = await _remove(db, push, _OF_PART, number)
        moved = await _move(db, number, push)
        await add_packed_files(db, push.id, part.packed)
        entries, raw_size = moved.entries - gone.entries, moved.raw_size - gone.raw_size
        await _count(db, push, entries=entries, raw_size=raw_size)
        if attributes is not None:
            await db.execute(
                "UPDATE pushes SET attributes = $2 WHERE snapshot_id = $1", push.id, dict(attributes)
            )
        # Checked after the rows have moved, as only then their size is known: the exception rolls all of it
        # back.
        if held.entries + entries > limits.entries:
            raise TooManyEntries(name, limit=limits.entries)
        if limits.decompressed and held.raw_size + raw_size > limits.decompressed:
            raise ArchiveTooLarge(name, limit=limits.decompressed)
    return moved


async def _refuse_clash(db: Connection, push: Push, part: int) -> None:
    """Raise FileAndDirectory for a file with others below it; empty directories may be replaced."""
    clash = await db.fetchrow(_CLASHES, push.id, part, timeout=_MOVING.total_seconds())
    if clash is not None:
        raise FileAndDirectory(clash["name"], f"there is {clash['there']}")


async def _move(db: Connection, part: int, push: Push) -> Moved:
    """Move all rows. Raises PushGone where the part was collected while it was written."""
    seconds = _MOVING.total_seconds()
    [row] = await db.fetch(
        f"""WITH moved AS (UPDATE entries SET snapshot_id = $2 WHERE snapshot_id = $1 RETURNING raw_size)
            {_SUMS} FROM moved""",  # noqa: S608  # fixed texts
        part, push.id, timeout=seconds,
    )  # fmt: skip
    await db.execute(
        "UPDATE segments SET snapshot_id = $2 WHERE snapshot_id = $1", part, push.id, timeout=seconds
    )
    if await quarantine.move(db, base=part, snapshot_id=push.id):
        await quarantine.settle(db, push.id)
    moved = Moved(**row)
    if not moved.entries:
        raise PushGone(push.id)
    return moved


async def remove_entry(pool: Pool, push: Push, name: str, *, idle: timedelta) -> bool:
    """Remove an entry from a push, and the directories above it that are then empty.

    Gives whether there was such an entry. Raises PushGone and PushCommitted.
    """
    async with pool.acquire() as db, db.transaction():
        await store.hold(db, push, idle=idle)
        gone = await _remove(db, push, _NAMED, [name])
        emptied = await _remove_emptied(db, push, name) if gone.entries else 0
        await _count(db, push, entries=-gone.entries - emptied, raw_size=-gone.raw_size)
    return gone.entries > 0


async def _remove_emptied(db: Connection, push: Push, name: str) -> int:
    """Remove the directories above ``name`` that hold nothing but one another; give how many."""
    rows = await db.fetch(
        """DELETE FROM entries d WHERE snapshot_id = $1 AND kind = 'directory' AND name = ANY($2)
           AND NOT EXISTS (SELECT FROM entries WHERE snapshot_id = $1 AND name <> ALL($2)
                           AND name > d.name AND name < left(d.name, -1) || '0') RETURNING name""",
        push.id, [f"{above}/" for above in _above(name)],
    )  # fmt: skip
    return len(rows)


def _above(name: str) -> list[str]:
    """Give the directories that contain a name."""
    parents = name.split("/")[:-1]
    return ["/".join(parents[: depth + 1]) for depth in range(len(parents))]


async def _remove(db: Connection, push: Push, names: str, given: int | list[str]) -> Moved:
    """Remove the entries of the names that ``names`` makes of ``given``, and empty directories below them."""
    seconds = _MOVING.total_seconds()
    [row] = await db.fetch(
        f"""WITH gone AS (DELETE FROM entries WHERE snapshot_id = $1 AND name = ANY({names} || ARRAY(
                SELECT d.name FROM unnest({names}) AS of(name) CROSS JOIN LATERAL (
                    SELECT name FROM entries WHERE snapshot_id = $1 AND kind = 'directory'
                    AND name >= of.name || '/' AND name < of.name || '0' OFFSET 0) d)) RETURNING raw_size)
            {_SUMS} FROM gone""",  # noqa: S608  # fixed texts
        push.id, given, timeout=seconds,
    )  # fmt: skip
    for table in ("segments", "quarantined_lines"):
        await db.execute(
            f"DELETE FROM {table} WHERE snapshot_id = $1 AND name = ANY({names})",  # noqa: S608  # fixed texts
            push.id, given, timeout=seconds,
        )  # fmt: skip
    return Moved(**row)


async def _count(db: Connection, push: Push, *, entries: int, raw_size: int) -> None:
    await db.execute(
        """UPDATE pushes SET entries = entries + $2, raw_size = raw_size + $3, changes = changes + 1
           WHERE snapshot_id = $1""",
        push.id, entries, raw_size,
    )  # fmt: skip
