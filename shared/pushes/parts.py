"""Parts: what one request writes into a push; a part becomes the push's entry when it is complete.

A part is a snapshot that nothing reads. So its rows go to Postgres in batches, however many there are, and a
half-written part is never visible. Of several parts for one name the last that completes stays. What it
replaces, and parts that broke off, are left to the collector.
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
from shared.snapshots import index
from shared.snapshots.body import NoBody
from shared.snapshots.index import SnapshotGone
from shared.snapshots.models import BodyRun, Entry, PlacedEntry, Segment
from shared.snapshots.rows import Rows
from shared.snapshots.writer import SnapshotWriter, write_into
from shared.storage.base import ObjectStore

_MOVING = timedelta(minutes=10)
"""How long moving the rows of a part may take; a relation may have millions of segments."""

_PACK_NOTHING = -1
"""Every blob is an object of its own, stored once by its digest: requests could not share a pack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """An open part: what one request writes under ``name``."""

    push: Push
    name: str
    writer: SnapshotWriter


@asynccontextmanager
async def write_part(pool: Pool, store: ObjectStore, push: Push, name: str) -> AsyncIterator[Part]:
    """Open a part. Raises PushGone. Leaving the block without ``commit_part`` aborts the part."""
    try:
        number: int = await pool.fetchval(
            "INSERT INTO snapshots (project_id, part_of) VALUES ($1, $2) RETURNING id",
            push.project_id, push.id,
        )  # fmt: skip
    except ForeignKeyViolationError as error:
        raise PushGone(push.id) from error
    rows = Rows(partial(_append, pool, push, number))
    try:
        async with write_into(
            pool, store, rows=rows, snapshot_id=number, packed_up_to=_PACK_NOTHING, layout=NoBody()
        ) as writer:
            yield Part(push=push, name=name, writer=writer)
    finally:
        await pool.execute("DELETE FROM snapshots WHERE id = $1", number)


async def _append(
    pool: Pool,
    push: Push,
    part: int,
    *,
    entries: Sequence[Entry],
    segments: Sequence[Segment],
    runs: Sequence[BodyRun],
) -> None:
    try:
        await index.append(pool, snapshot_id=part, entries=entries, segments=segments, runs=runs)
    except SnapshotGone as error:
        raise PushGone(push.id) from error


async def commit_part(
    pool: Pool,
    part: Part,
    *,
    limits: Limits,
    idle: timedelta,
    attributes: Mapping[str, object] | None = None,
) -> PlacedEntry:
    """Make a complete part the push's entry of its name, in place of an earlier one; give the new entry.

    ``attributes`` replace those of the push where they are given. Raises PushGone, PushCommitted,
    FileAndDirectory, TooManyEntries and ArchiveTooLarge; the push is as before then.
    """
    number, push, name = part.writer.snapshot_id, part.push, part.name
    async with pool.acquire() as db, db.transaction():
        held = await store.hold(db, push, idle=idle)
        await _refuse_clash(db, push, name)
        gone, gone_size = await _remove(db, push, name)
        size = await _move(db, number, push)
        await _count(db, push, entries=1 - gone, raw_size=size - gone_size)
        if attributes is not None:
            await db.execute(
                "UPDATE pushes SET attributes = $2 WHERE snapshot_id = $1", push.id, dict(attributes)
            )
        # Checked after the rows have moved, as only then their size is known: the exception rolls all of it
        # back.
        if held.entries + 1 - gone > limits.entries:
            raise TooManyEntries(name, limit=limits.entries)
        if limits.decompressed and held.raw_size + size - gone_size > limits.decompressed:
            raise ArchiveTooLarge(name, limit=limits.decompressed)
        placed = await index.find_entry(db, push.id, name)
        if placed is None:
            # The part was collected while it was written, so that there was nothing to move.
            raise PushGone(push.id)
    return placed


async def _move(db: Connection, part: int, push: Push) -> int:
    seconds = _MOVING.total_seconds()
    size: int | None = await db.fetchval(
        "UPDATE entries SET snapshot_id = $2 WHERE snapshot_id = $1 RETURNING raw_size", part, push.id
    )
    await db.execute(
        "UPDATE segments SET snapshot_id = $2 WHERE snapshot_id = $1", part, push.id, timeout=seconds
    )
    return size or 0


async def remove_entry(pool: Pool, push: Push, name: str, *, idle: timedelta) -> bool:
    """Remove an entry from a push, and the directories above it that are then empty.

    Gives whether there was such an entry. Raises PushGone and PushCommitted.
    """
    async with pool.acquire() as db, db.transaction():
        await store.hold(db, push, idle=idle)
        gone, size = await _remove(db, push, name)
        emptied = await _remove_emptied(db, push, name) if gone else 0
        await _count(db, push, entries=-gone - emptied, raw_size=-size)
    return gone > 0


async def _remove_emptied(db: Connection, push: Push, name: str) -> int:
    """Remove the directories above ``name`` that hold nothing but one another; give how many."""
    rows = await db.fetch(
        """DELETE FROM entries d WHERE snapshot_id = $1 AND kind = 'directory' AND name = ANY($2)
           AND NOT EXISTS (SELECT FROM entries WHERE snapshot_id = $1 AND name <> ALL($2)
                           AND name > d.name AND name < left(d.name, -1) || '0') RETURNING name""",
        push.id, [f"{above}/" for above in _above(name)],
    )  # fmt: skip
    return len(rows)


async def _refuse_clash(db: Connection, push: Push, name: str) -> None:
    """Raise FileAndDirectory where a file is above or below the name; empty directories may be replaced."""
    clash = await db.fetchval(
        """SELECT name FROM entries WHERE snapshot_id = $1 AND kind <> 'directory'
           AND (name = ANY($2) OR (name > $3 AND name < $4)) LIMIT 1""",
        push.id, _above(name), *_below(name),
    )  # fmt: skip
    if clash is not None:
        raise FileAndDirectory(name, f"there is {clash}")


def _above(name: str) -> list[str]:
    """Give the directories that contain a name."""
    parents = name.split("/")[:-1]
    return ["/".join(parents[: depth + 1]) for depth in range(len(parents))]


def _below(name: str) -> tuple[str, str]:
    """Give the two names between which all names below sort; "0" comes next after "/"."""
    return f"{name}/", f"{name}0"


async def _remove(db: Connection, push: Push, name: str) -> tuple[int, int]:
    """Remove an entry and the empty directories below its name; give how many rows, and their bytes."""
    rows = await db.fetch(
        """DELETE FROM entries WHERE snapshot_id = $1
           AND (name = $2 OR (kind = 'directory' AND name >= $3 AND name < $4)) RETURNING raw_size""",
        push.id, name, *_below(name),
    )  # fmt: skip
    await db.execute(
        "DELETE FROM segments WHERE snapshot_id = $1 AND name = $2",
        push.id, name, timeout=_MOVING.total_seconds(),
    )  # fmt: skip
    return len(rows), sum(row["raw_size"] for row in rows)


async def _count(db: Connection, push: Push, *, entries: int, raw_size: int) -> None:
    await db.execute(
        """UPDATE pushes SET entries = entries + $2, raw_size = raw_size + $3, changes = changes + 1
           WHERE snapshot_id = $1""",
        push.id, entries, raw_size,
    )  # fmt: skip
