"""Streams that are lent to a task of a library, and are taken back before they are closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

from shared.shielding import to_the_end

T = TypeVar("T")


@asynccontextmanager
async def lent(source: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """Give ``source`` to be read by another task; when the block ends, no step of it is on its way any more.

    aiohttp reads the body of a request in a task, which it cancels but does not await where the request
    fails. A generator whose step still runs cannot be closed. The step is cancelled, and waited for as long
    as it needs to end by that. ``source`` is not closed.
    """
    borrowed = _Borrowed(source)
    try:
        yield borrowed
    finally:
        await borrowed.end()


class _Borrowed(AsyncIterator[T], Generic[T]):
    def __init__(self, source: AsyncIterator[T]) -> None:
        self._source = source
        self._reader: asyncio.Task[object] | None = None

    async def __anext__(self) -> T:
        self._reader = asyncio.current_task()
        try:
            return await anext(self._source)
        finally:
            self._reader = None

    async def end(self) -> None:
        """End the step that is on its way, and the task with it."""
        if self._reader is not None:
            self._reader.cancel()
            await to_the_end(asyncio.wait([self._reader]))
