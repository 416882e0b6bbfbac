"""Reads stored bytes block by block, and checks each block before it gives any byte of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from functools import partial
from typing import Protocol

import structlog

from shared.assembly.stretches import block_end
from shared.database.pool import Pool
from shared.errors import StorageError
from shared.ledger.blocks import StoredBlocks, find_blocks
from shared.metrics.blocks import BlockMetrics
from shared.storage.base import ObjectStore
from shared.storage.checksums import BLOCK, WIDTH, checksum
from shared.storage.composition import ObjectRange

_log = structlog.get_logger()


class BlockCorrupt(StorageError):
    """Stored bytes, or bytes on their way from the store, are not those that were written."""

    code = "block_corrupt"
    sentence = "a file in the object storage is damaged"

    def __init__(self, key: str, block: int) -> None:
        super().__init__(f"block {block} of object {key!r} is corrupt")
        self.key = key
        self.block = block


class FindBlocks(Protocol):
    """Finds the checksums of an object."""

    async def __call__(self, key: str, *, first: int, count: int) -> StoredBlocks | None:
        """Give those of ``count`` blocks from number ``first`` on; None where there are none."""


class BlockReader:
    """Reads stretches of objects. Memory: one block, 1 MiB, and the checksums of a stretch.

    ``on_corrupt`` is called for each block that is wrong.
    """

    def __init__(
        self, store: ObjectStore, find: FindBlocks, *, on_corrupt: Callable[[], None] = lambda: None
    ) -> None:
        self._store = store
        self._find = find
        self._on_corrupt = on_corrupt

    async def read(self, stretch: ObjectRange) -> AsyncGenerator[bytes, None]:
        """Give the bytes of a stretch in order, by one request to the store.

        An object without checksums, which a version before has stored, is read as it is. Raises BlockCorrupt
        before the first byte of a block that is wrong, and StorageError.
        """
        first = stretch.position // BLOCK
        count = block_end(stretch.end) // BLOCK - first
        blocks = await self._find(stretch.key, first=first, count=count)
        chunks = self._unchecked(stretch) if blocks is None else self._checked(stretch, blocks)
        async with aclosing(chunks):
            async for chunk in chunks:
                yield chunk

    def _unchecked(self, stretch: ObjectRange) -> AsyncGenerator[bytes, None]:
        return self._store.read(stretch.key, start=stretch.position, length=stretch.length)

    async def _checked(self, stretch: ObjectRange, blocks: StoredBlocks) -> AsyncGenerator[bytes, None]:
        at = stretch.position // BLOCK * BLOCK
        end = stretch.end
        length = min(block_end(end), max(blocks.size, end)) - at
        async with aclosing(self._store.read(stretch.key, start=at, length=length)) as chunks:
            async for block in in_blocks(chunks):
                self._check(stretch.key, at // BLOCK, block, blocks.crc32s, stretch.position // BLOCK)
                first, last = max(stretch.position - at, 0), min(end - at, len(block))
                yield block if last - first == len(block) else block[first:last]
                at += len(block)

    def _check(self, key: str, number: int, block: bytes, crc32s: bytes, first: int) -> None:
        at = (number - first) * WIDTH
        if checksum(block) != crc32s[at : at + WIDTH]:
            _log.error("block_corrupt", key=key, block=number)
            self._on_corrupt()
            raise BlockCorrupt(key, number)


def make_block_reader(pool: Pool, store: ObjectStore, metrics: BlockMetrics) -> BlockReader:
    """Make a reader that checks by the ledger, and counts the blocks that are wrong."""
    return BlockReader(store, partial(find_blocks, pool), on_corrupt=metrics.count_corrupt)


async def in_blocks(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Give bytes in whole blocks, the last one as long as it is."""
    held: list[bytes] = []
    size = 0
    async for chunk in chunks:
        rest = chunk
        while size + len(rest) >= BLOCK:
            cut = BLOCK - size
            yield b"".join([*held, rest[:cut]])
            held, size, rest = [], 0, rest[cut:]
        if rest:
            held.append(rest)
            size += len(rest)
    if held:
        yield b"".join(held)
