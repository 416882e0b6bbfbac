"""Keeps a snapshot while it is read, whatever becomes of its project meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog
from asyncpg import InterfaceError, PostgresError

from shared.database.pool import Pool
from shared.snapshots.index import SnapshotGone

PROLONG_EVERY = timedelta(seconds=15)
_KEPT = timedelta(minutes=5)
"""How long a snapshot is kept for a reader that has crashed."""

_log = structlog.get_logger()


@asynccontextmanager
async def keep_for_reading(pool: Pool, snapshot_id: int | None) -> AsyncIterator[None]:
    """Keep a snapshot until the block ends. Raises SnapshotGone where it is collected already.

    It is one row, however many objects the snapshot has.
    """
    if snapshot_id is None:
        yield
        return
    await _prolong(pool, snapshot_id)
    task = asyncio.create_task(_keep(pool, snapshot_id))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _prolong(pool: Pool, snapshot_id: int) -> None:
    kept = await pool.fetchval(
        """UPDATE snapshots SET read_until = greatest(read_until, now() + $2) WHERE id = $1 RETURNING true""",
        snapshot_id, _KEPT,
    )  # fmt: skip
    if not kept:
        raise SnapshotGone(snapshot_id)


async def _keep(pool: Pool, snapshot_id: int) -> None:
    while True:
        await asyncio.sleep(PROLONG_EVERY.total_seconds())
        try:
            await _prolong(pool, snapshot_id)
        except (OSError, PostgresError, InterfaceError):
            _log.warning("snapshot_not_prolonged", snapshot_id=snapshot_id)
