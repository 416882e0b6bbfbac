"""Two transactions at once, one of which has to wait for the other."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from shared.database.pool import Connection

_WAITING = "SELECT true FROM pg_locks WHERE NOT granted LIMIT 1"


async def begun_and_waiting(db: Connection, work: Coroutine[Any, Any, object]) -> asyncio.Task[object]:
    """Begin ``work``, and give it once it waits for a lock; it must not end before."""
    task = asyncio.create_task(work)
    while not await db.fetchval(_WAITING):
        assert not task.done(), "it did not wait"
    return task
