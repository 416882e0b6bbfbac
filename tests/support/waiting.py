"""Waiting for what tells nobody when it comes: a row, another process, a server, a counter."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar, overload

from shared.database.pool import Connection, Database

T = TypeVar("T")

_FIRST, _LONGEST, _FACTOR = 0.005, 0.1, 1.3
_WAITING = "SELECT true FROM pg_locks WHERE NOT granted LIMIT 1"


@overload
async def until(look: Callable[[], Awaitable[T]], *, seconds: float = ...) -> T: ...
@overload
async def until(look: Callable[[], T], *, seconds: float = ...) -> T: ...
async def until(look: Callable[[], Any], *, seconds: float = 120) -> Any:
    """Look again and again, and give what is seen once it is true; raise TimeoutError after that time."""
    pauses = _pauses()
    async with asyncio.timeout(seconds):
        while True:
            seen = look()
            found = await seen if inspect.isawaitable(seen) else seen
            if found:
                return found
            await asyncio.sleep(next(pauses))  # there is no event: that is what this function is for


def eventually(look: Callable[[], T], ready: Callable[[T], bool] = bool, *, seconds: float = 120) -> T:
    """Do the same without an event loop; raise TimeoutError with what was seen last."""
    deadline = time.monotonic() + seconds
    pauses = _pauses()
    while not ready(found := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(found)
        time.sleep(next(pauses))  # there is no event: that is what this function is for
    return found


def _pauses() -> Iterator[float]:
    """Short ones first, then such as leave the processor to those who are waited for."""
    pause = _FIRST
    while True:
        yield pause
        pause = min(pause * _FACTOR, _LONGEST)


async def until_row(db: Database, query: str, *values: object, seconds: float = 120) -> Any:
    """Ask until the first column of the first row is true, and give it."""
    return await until(lambda: db.fetchval(query, *values), seconds=seconds)


async def until_locked(db: Database) -> None:
    """Wait until a transaction waits for a lock of another."""
    await until_row(db, _WAITING)


async def begun_and_waiting(db: Connection, work: Coroutine[Any, Any, object]) -> asyncio.Task[object]:
    """Begin ``work``, and give it once it waits for a lock; it must not end before."""
    task = asyncio.create_task(work)
    while not await db.fetchval(_WAITING):
        assert not task.done(), "it did not wait"
    return task
