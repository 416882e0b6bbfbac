"""Reads stored runs: adjacent ones by one request, small ones ahead of time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass

from shared.storage.base import ObjectStore

_AHEAD = 16
"""Requests in flight at once; each is for at most ``_SMALL`` bytes, so at most 4 MiB are held."""

_SMALL = 256 * 1024


@dataclass(frozen=True, slots=True)
class Run:
    """``length`` stored bytes at ``position`` of the object ``key``."""

    key: str
    position: int
    length: int

    def joins(self, other: Run) -> bool:
        """Tell whether ``other`` follows directly on this run in the same object."""
        return self.key == other.key and self.position + self.length == other.position


def neighbours(runs: list[Run]) -> Iterator[Run]:
    """Join runs that follow directly on one another in the same object."""
    current: Run | None = None
    for run in runs:
        if current and current.joins(run):
            current = Run(current.key, current.position, current.length + run.length)
            continue
        if current:
            yield current
        current = run
    if current:
        yield current


async def read_runs(store: ObjectStore, runs: list[Run]) -> AsyncGenerator[bytes, None]:
    """Give the bytes of ``runs`` in their order. Raises StorageError.

    Small runs are requested ahead, so that a thousand scattered uploads do not cost a thousand round trips
    one after another; a large run is streamed when its turn comes.
    """
    ahead: deque[asyncio.Task[bytes] | Run] = deque()
    waiting = neighbours(runs)
    try:
        while _fill(store, ahead, waiting):
            head = ahead.popleft()
            if isinstance(head, Run):
                async with aclosing(_stream(store, head)) as chunks:
                    async for chunk in chunks:
                        yield chunk
            else:
                yield await head
    finally:
        await _cancel(ahead)


def _fill(store: ObjectStore, ahead: deque[asyncio.Task[bytes] | Run], waiting: Iterator[Run]) -> bool:
    while len(ahead) < _AHEAD and (run := next(waiting, None)):
        ahead.append(asyncio.create_task(read_run(store, run)) if run.length <= _SMALL else run)
    return bool(ahead)


async def _cancel(ahead: deque[asyncio.Task[bytes] | Run]) -> None:
    tasks = [task for task in ahead if isinstance(task, asyncio.Task)]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def read_run(store: ObjectStore, run: Run) -> bytes:
    """Give a run in one piece: for small ones."""
    async with aclosing(_stream(store, run)) as chunks:
        return b"".join([chunk async for chunk in chunks])


def _stream(store: ObjectStore, run: Run) -> AsyncGenerator[bytes, None]:
    return store.read(run.key, start=run.position, length=run.length)
