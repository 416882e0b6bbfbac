"""Snapshots that are made of others: by exports, and by repairs of lines that were refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from asyncpg import ForeignKeyViolationError

from shared.database.pool import Connection, Pool
from shared.projects.content import ProjectGone
from shared.snapshots import appending, runs
from shared.snapshots.errors import SnapshotGone
from shared.snapshots.lifecycle import Pinned
from shared.snapshots.models import Body
from shared.snapshots.reading import KEPT, keep_for_reading
from shared.snapshots.rows import Rows


async def open_derived(pool: Pool, *, project_id: int) -> tuple[int, Rows]:
    """Open a snapshot, and give what writes its rows. Nobody reads it before it is committed.

    Keep it prolonged from now on: it is collected five minutes after its writer has died. Raises ProjectGone.
    """
    try:
        snapshot_id: int = await pool.fetchval(
            "INSERT INTO snapshots (project_id, read_until) VALUES ($1, now() + $2) RETURNING id",
            project_id, KEPT,
        )  # fmt: skip
    except ForeignKeyViolationError:
        raise ProjectGone(project_id) from None
    return snapshot_id, Rows(partial(appending.append, pool, snapshot_id=snapshot_id))


async def commit_derived(
    db: Connection, *, base: int, snapshot_id: int, body: Body | None, content_sha256: bytes | None
) -> None:
    """Commit a snapshot that was made of ``base``, with the same features. Raises SnapshotGone."""
    committed = await db.fetchval(
        f"""UPDATE snapshots SET committed_at = now(), content_sha256 = $3,
                features = (SELECT features FROM snapshots WHERE id = $2),
                ({", ".join(runs.TOTALS)}) = ROW ($4, $5, $6, $7, $8, $9)
            WHERE id = $1 RETURNING true""",  # noqa: S608  # fixed texts
        snapshot_id, base, content_sha256, *runs.totals_of(body),
    )  # fmt: skip
    if not committed:
        raise SnapshotGone(snapshot_id)


@asynccontextmanager
async def kept_derived(pool: Pool, snapshot_id: int) -> AsyncIterator[Pinned]:
    """Keep a snapshot that an earlier export has made for a block. Raises SnapshotGone."""
    async with keep_for_reading(pool, snapshot_id):
        yield Pinned(snapshot_id, await runs.find_body(pool, snapshot_id))
