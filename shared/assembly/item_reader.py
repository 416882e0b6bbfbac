"""Reads the bytes of a file that is laid out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from shared.assembly.layout import LayoutItem
from shared.errors import StorageError
from shared.snapshots.reader import Run, read_runs
from shared.storage.base import ObjectStore

_ITEMS = 2000
_OWN = 1024 * 1024
"""Items, and bytes made here, that are held at once; adjacent runs among them are read by one request."""


async def read_items(store: ObjectStore, items: AsyncIterator[LayoutItem]) -> AsyncGenerator[bytes, None]:
    """Give the bytes of the file, in pieces of at most about 1 MiB. Raises StorageError."""
    window: list[LayoutItem] = []
    own = 0
    async for item in items:
        window.append(item)
        own += 0 if isinstance(item, Run) else len(item)
        if len(window) >= _ITEMS or own >= _OWN:
            async with aclosing(_read(store, window)) as pieces:
                async for piece in pieces:
                    yield piece
            window, own = [], 0
    async with aclosing(_read(store, window)) as pieces:
        async for piece in pieces:
            yield piece


async def _read(store: ObjectStore, window: list[LayoutItem]) -> AsyncGenerator[bytes, None]:
    runs = [item for item in window if isinstance(item, Run)]
    async with aclosing(read_runs(store, runs)) as chunks:
        feed = _RunCutter(chunks)
        for item in window:
            if isinstance(item, bytes):
                yield item
                continue
            missing = item.length
            while missing:
                piece = await feed.take(missing, of=item)
                missing -= len(piece)
                yield piece


class _RunCutter:
    """Cuts the stream of joined runs into the single runs again."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    async def take(self, most: int, *, of: Run) -> bytes:
        """Give the next bytes of run ``of``, at most ``most``. Raises StorageError."""
        if not self._rest:
            self._rest = memoryview(await self._next(of))
        piece, self._rest = self._rest[:most], self._rest[most:]
        return bytes(piece)

    async def _next(self, run: Run) -> bytes:
        try:
            return await anext(self._chunks)
        except StopAsyncIteration:
            raise StorageError(f"object {run.key!r} ended early") from None
