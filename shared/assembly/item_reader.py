"""Reads the bytes of a file that is laid out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing

from shared.assembly.blocks import BlockReader
from shared.assembly.layout import LayoutItem
from shared.assembly.stretches import stretches
from shared.errors import StorageError
from shared.pieces import gathered, read_ahead
from shared.storage.composition import ObjectRange

_ITEMS = 4096
_OWN = 1024 * 1024
"""Items, and bytes made here, that are held at once; close runs among them are read by one request."""

_GATHERED = 256 * 1024
"""Smaller pieces than this are joined, so that a thousand small files are not a thousand writes."""


def read_items(blocks: BlockReader, items: AsyncIterator[LayoutItem]) -> AsyncGenerator[bytes, None]:
    """Give the bytes of the file in pieces of 256 KiB to about 1 MiB, the last one shorter.

    The next piece is read while the caller sends one. Raises StorageError.
    """
    return read_ahead(gathered(_pieces(blocks, items), least=_GATHERED))


async def _pieces(blocks: BlockReader, items: AsyncIterator[LayoutItem]) -> AsyncGenerator[bytes, None]:
    async for window in _windows(items):
        async with aclosing(_read(blocks, window)) as pieces:
            async for piece in pieces:
                yield piece


async def _windows(items: AsyncIterator[LayoutItem]) -> AsyncGenerator[list[LayoutItem], None]:
    window: list[LayoutItem] = []
    own = 0
    async for item in items:
        window.append(item)
        own += 0 if isinstance(item, ObjectRange) else len(item)
        if len(window) >= _ITEMS or own >= _OWN:
            yield window
            window, own = [], 0
    yield window


async def _read(blocks: BlockReader, window: list[LayoutItem]) -> AsyncGenerator[bytes, None]:
    runs = [item for item in window if isinstance(item, ObjectRange) and item.length]
    async with aclosing(_places(blocks, stretches(runs))) as chunks:
        cutter = _RunCutter(chunks)
        for item in window:
            if isinstance(item, bytes):
                yield item
                continue
            done = 0
            while done < item.length:
                piece = await cutter.take(item, done)
                done += len(piece)
                yield piece


async def _places(
    blocks: BlockReader, wanted: Iterable[ObjectRange]
) -> AsyncGenerator[tuple[str, int, bytes], None]:
    """Give the bytes of stretches in chunks, each with its object's key and its position."""
    for stretch in wanted:
        position = stretch.position
        async with aclosing(blocks.read(stretch)) as chunks:
            async for chunk in chunks:
                yield stretch.key, position, chunk
                position += len(chunk)


class _RunCutter:
    """Cuts single runs out of the chunks of stretches; what lies between runs is thrown away."""

    def __init__(self, chunks: AsyncIterator[tuple[str, int, bytes]]) -> None:
        self._chunks = chunks
        self._chunk = ("", 0, b"")

    async def take(self, run: ObjectRange, done: int) -> bytes:
        """Give bytes of ``run`` from the ``done``th on, as many as are there. Raises StorageError."""
        while (start := self._find(run, done)) is None:
            self._chunk = await self._next(run)
        return self._chunk[2][start : start + run.length - done]

    def _find(self, run: ObjectRange, done: int) -> int | None:
        key, position, data = self._chunk
        start = run.position + done - position
        return start if key == run.key and 0 <= start < len(data) else None

    async def _next(self, run: ObjectRange) -> tuple[str, int, bytes]:
        try:
            return await anext(self._chunks)
        except StopAsyncIteration:
            raise StorageError(f"object {run.key!r} ended early") from None
