"""Snapshots of which exports of some relations are made: one for each snapshot, of the selection used last.

Such a one names what its base names, without what is left out: rows are copied, and no byte. It is kept for
as long as its base, and as long as an archive is made of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from asyncpg import ForeignKeyViolationError

from shared.database.pool import Connection, Database, Pool
from shared.gitlab.relation_selection import SELECTABLE, RelationSelection, files_of, selectable_of
from shared.snapshots import runs
from shared.snapshots.body import LAYOUT, BodyWriter
from shared.snapshots.columns import ENTRY, SEGMENT
from shared.snapshots.derived import commit_derived
from shared.snapshots.errors import SnapshotGone
from shared.snapshots.laying_out import body_of
from shared.snapshots.lifecycle import Pinned
from shared.snapshots.models import Body, BodyRun
from shared.snapshots.packed_files import copy_packed_files

_FORM = b"1"
"""The version of what a selection does to a snapshot."""

_COPYING = timedelta(minutes=10)
"""How long copying the rows of a snapshot may take; it may have millions of entries."""

_PAGE = 1000

_IN_RANGE = """EXISTS (SELECT FROM unnest($3::text[], $4::text[]) r (first, beyond)
                       WHERE name >= first AND name < beyond)"""
"""SQL for whether a row has a name in one of the ranges. Names have the order of their bytes."""


@dataclass(frozen=True, slots=True)
class LeftOutRelation:
    """What a snapshot has of a relation that is left out."""

    relation: str
    files: int
    bytes: int


async def find_left_out(
    db: Database, snapshot_id: int, selection: RelationSelection
) -> list[LeftOutRelation]:
    """Find what a selection leaves out of a snapshot: relations that have entries there, folders included."""
    names = await _relations(db, snapshot_id)
    wanted = [name for name in dict.fromkeys((*SELECTABLE, *names)) if not selection.keeps(name)]
    ranges = [(relation, *_range(file)) for relation in wanted for file in files_of(relation)]
    rows = await db.fetch(
        """SELECT relation, sum(files)::bigint AS files, sum(bytes)::bigint AS bytes
           FROM unnest($2::text[], $3::text[], $4::text[])
                WITH ORDINALITY r (relation, first, beyond, number),
           LATERAL (SELECT count(*) AS entries, count(*) FILTER (WHERE kind <> 'directory') AS files,
                           coalesce(sum(raw_size), 0) AS bytes
                    FROM entries WHERE snapshot_id = $1 AND name >= first AND name < beyond) found
           WHERE entries > 0 GROUP BY relation ORDER BY min(number)""",
        snapshot_id, *([each[column] for each in ranges] for column in range(3)),
    )  # fmt: skip
    return [LeftOutRelation(row["relation"], row["files"], row["bytes"]) for row in rows]


async def find_kept(db: Database, snapshot_id: int, selection: RelationSelection) -> set[str]:
    """Find the relations that a snapshot has, and that are not left out."""
    kept = [name for name in SELECTABLE if selection.keeps(name)]
    ranges = [(relation, *_range(file)) for relation in kept for file in files_of(relation)]
    rows = await db.fetch(
        """SELECT DISTINCT relation
           FROM unnest($2::text[], $3::text[], $4::text[]) r (relation, first, beyond)
           WHERE EXISTS (SELECT FROM entries WHERE snapshot_id = $1 AND name >= first AND name < beyond
                         AND raw_size > 0)""",
        snapshot_id, *([each[column] for each in ranges] for column in range(3)),
    )  # fmt: skip
    return {row["relation"] for row in rows}


async def _relations(db: Database, snapshot_id: int) -> list[str]:
    rows = await db.fetch(
        "SELECT name FROM entries WHERE snapshot_id = $1 AND kind = 'relation' ORDER BY name", snapshot_id
    )
    return [relation for row in rows if (relation := selectable_of(row["name"]))]


def _range(name: str) -> tuple[str, str]:
    """Give the first name of a file or a folder, and the first one beyond it."""
    return (name, f"{name[:-1]}0") if name.endswith("/") else (name, f"{name}\x01")


def digest_of(left_out: Sequence[LeftOutRelation]) -> bytes:
    """Give what two selections have in common that leave out the same."""
    return hashlib.sha256(_FORM + " ".join(sorted(each.relation for each in left_out)).encode()).digest()


async def find_selected(db: Database, base: int, digest: bytes) -> int | None:
    """Find the snapshot that was made of ``base`` without what has this digest."""
    found: int | None = await db.fetchval(
        "SELECT snapshot_id FROM selected_snapshots WHERE base_id = $1 AND digest = $2", base, digest
    )
    return found


async def copy_selected(pool: Pool, *, base: int, snapshot_id: int, left_out: Sequence[str]) -> None:
    """Copy the rows of ``base`` that are not of the relations ``left_out``. Raises SnapshotGone."""
    ranges = [_range(file) for relation in left_out for file in files_of(relation)]
    firsts, beyonds = [first for first, _ in ranges], [beyond for _, beyond in ranges]
    try:
        for table, columns in (("entries", ENTRY), ("segments", SEGMENT)):
            named = ", ".join(columns)
            await pool.execute(
                f"""INSERT INTO {table} (snapshot_id, {named})
                    SELECT $2, {named} FROM {table} WHERE snapshot_id = $1 AND NOT {_IN_RANGE}""",  # noqa: S608  # fixed texts
                base, snapshot_id, firsts, beyonds, timeout=_COPYING.total_seconds(),
            )  # fmt: skip
        await copy_packed_files(pool, base=base, snapshot_id=snapshot_id)
    except ForeignKeyViolationError as error:
        raise SnapshotGone(snapshot_id) from error
    # Each table was copied as it was at its own moment: of a base that is there now all of it was.
    if not await pool.fetchval("SELECT true FROM snapshots WHERE id = $1", base):
        raise SnapshotGone(base)


async def lay_out_selected(pool: Pool, *, base: int, snapshot_id: int, left_out: Sequence[str]) -> Body:
    """Lay out the body of a snapshot that was copied from ``base``.

    Relations and large files are runs of their own, so that the others are taken as they are. Where anything
    is left out that shares a run with the rest, all that is kept is laid out anew by its entries. Raises
    SnapshotGone.
    """
    body = await runs.find_body(pool, base)
    names = [file for relation in left_out for file in files_of(relation)]
    if body is not None and body.layout == LAYOUT and await _have_own_runs(pool, base, names):
        return await _copy_body(pool, body, base=base, snapshot_id=snapshot_id, names=names)
    made = await body_of(pool, Pinned(snapshot_id, None))
    return replace(made, document=body.document if body else None)


async def _have_own_runs(db: Database, snapshot_id: int, names: Sequence[str]) -> bool:
    """Tell whether each of the files has a run that is nothing else; what is in folders may share some."""
    if any(name.endswith("/") for name in names):
        return False
    return not await db.fetchval(
        """SELECT EXISTS (
               SELECT FROM entries e WHERE snapshot_id = $1 AND name = ANY ($2)
               AND NOT EXISTS (SELECT FROM runs r WHERE r.snapshot_id = $1 AND r.name = e.name))""",
        snapshot_id, names,
    )  # fmt: skip


async def _copy_body(pool: Pool, body: Body, *, base: int, snapshot_id: int, names: Sequence[str]) -> Body:
    waiting: list[BodyRun] = []
    layout = BodyWriter(partial(_append, pool, snapshot_id, waiting))
    async with aclosing(runs.read_runs(pool, base)) as placed:
        async for each in placed:
            if each.run.name not in names:
                await layout.copy(each.run)
    entries = await pool.fetchval("SELECT count(*) FROM entries WHERE snapshot_id = $1", snapshot_id)
    made = await layout.finish(entries=entries, document=body.document)
    await _write(pool, snapshot_id, waiting)
    return made


async def _append(pool: Pool, snapshot_id: int, waiting: list[BodyRun], run: BodyRun) -> None:
    """Let a run wait for a page of them, and write that."""
    waiting.append(run)
    if len(waiting) >= _PAGE:
        await _write(pool, snapshot_id, waiting)


async def _write(pool: Pool, snapshot_id: int, waiting: list[BodyRun]) -> None:
    async with pool.acquire() as db:
        await runs.copy_runs(db, snapshot_id, waiting)
    waiting.clear()


async def commit_selected(db: Connection, *, base: int, digest: bytes, snapshot_id: int, body: Body) -> None:
    """Commit a snapshot that was made of ``base``, in place of one for another selection.

    Raises SnapshotGone.
    """
    await commit_derived(db, base=base, snapshot_id=snapshot_id, body=body, content_sha256=None)
    await db.execute(
        """INSERT INTO selected_snapshots (base_id, digest, snapshot_id) VALUES ($1, $2, $3)
           ON CONFLICT (base_id) DO UPDATE
           SET digest = excluded.digest, snapshot_id = excluded.snapshot_id""",
        base, digest, snapshot_id,
    )  # fmt: skip
