"""Keeps a snapshot while it is read, whatever becomes of its project meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from functools import partial

from shared.database.pool import Pool
from shared.database.prolonging import repeated
from shared.snapshots.errors import SnapshotGone

PROLONG_EVERY = timedelta(seconds=15)
KEPT = timedelta(minutes=5)
"""How long a snapshot is kept for a reader, or a part for its request, that has crashed."""


@asynccontextmanager
async def keep_for_reading(pool: Pool, snapshot_id: int | None) -> AsyncIterator[None]:
    """Keep a snapshot until the block ends. Raises SnapshotGone where it is collected already.

    It is one row, however many objects the snapshot has.
    """
    if snapshot_id is None:
        yield
        return
    await _prolong(pool, snapshot_id)
    async with keep_prolonged(pool, snapshot_id):
        yield


def keep_prolonged(pool: Pool, snapshot_id: int) -> AbstractAsyncContextManager[None]:
    """Keep a snapshot that is kept for ``KEPT`` until the block ends."""
    return repeated(
        partial(_prolong, pool, snapshot_id),
        every=PROLONG_EVERY,
        failure="snapshot_not_prolonged",
        snapshot_id=snapshot_id,
    )


async def _prolong(pool: Pool, snapshot_id: int) -> None:
    kept = await pool.fetchval(
        """UPDATE snapshots SET read_until = greatest(read_until, now() + $2) WHERE id = $1 RETURNING true""",
        snapshot_id, KEPT,
    )  # fmt: skip
    if not kept:
        raise SnapshotGone(snapshot_id)
