"""Compares objects in the store with the index."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import TypeAlias

from shared.assembly.blocks import in_blocks
from shared.audit.contents import ObjectInspector
from shared.audit.findings import Finding, FindingKind
from shared.audit.indexed import IndexedObject, Stretch, find_entries, find_object, read_segments
from shared.database.pool import Pool
from shared.errors import ObjectMissing, StorageError
from shared.ledger.blocks import find_blocks
from shared.shielding import on_thread
from shared.storage.base import ObjectStore
from shared.storage.checksums import BLOCK, WIDTH

AfterBlock: TypeAlias = Callable[[int], Awaitable[None]]
"""Called after each block with its bytes; what it waits for slows the reading down."""

_Look: TypeAlias = Callable[[IndexedObject], Awaitable[list[Finding]]]


_BLOCKS_AT_ONCE = 1024
"""Blocks whose checksums one statement reads: 4 KiB."""


async def _at_once(_size: int) -> None:
    """Read on."""


class ObjectAudit:
    """Looks at one object after another. Memory of each: a block, and what the index says of it.

    What is found is looked for once more, by what the index says then: an object that was collected
    meanwhile, or bytes that were damaged on their way, are no finding. Raises StorageError where the store
    itself does not answer.
    """

    def __init__(self, pool: Pool, store: ObjectStore) -> None:
        self._pool = pool
        self._store = store

    async def ask(self, known: IndexedObject) -> list[Finding]:
        """Ask the store for the size of an object; no byte is read."""
        return await self._confirmed(known, self._ask)

    async def read(
        self,
        known: IndexedObject,
        *,
        start: int = 0,
        after_block: AfterBlock = _at_once,
        digested: Callable[[bytes], None] | None = None,
    ) -> list[Finding]:
        """Read an object from byte ``start`` on, where a block begins, and compare all that the index knows.

        ``digested`` is called with the SHA-256 of an object that was read whole.
        """
        look = partial(self._read, start=start, after_block=after_block, digested=digested)
        return await self._confirmed(known, look)

    async def _confirmed(self, known: IndexedObject, look: _Look) -> list[Finding]:
        if not await self._attempt(known, look):
            return []
        again = await find_object(self._pool, known.id)
        return await self._attempt(again, look) if again else []

    async def _attempt(self, known: IndexedObject, look: _Look) -> list[Finding]:
        try:
            return await look(known)
        except ObjectMissing:
            kind, reason = FindingKind.OBJECT_MISSING, "it is not in the store"
        except StorageError as error:
            await self._store.check()
            kind, reason = FindingKind.OBJECT_UNREADABLE, str(error)
        return [Finding(kind=kind, reason=reason, key=known.key)]

    async def _ask(self, known: IndexedObject) -> list[Finding]:
        size = (await self._store.stat(known.key)).size
        if size == known.size:
            return _checksums(known)
        reason = f"it has {size} bytes, not {known.size}"
        return [Finding(kind=FindingKind.OBJECT_SIZE, reason=reason, key=known.key)]

    async def _read(
        self,
        known: IndexedObject,
        *,
        start: int,
        after_block: AfterBlock,
        digested: Callable[[bytes], None] | None,
    ) -> list[Finding]:
        inspector = ObjectInspector(known, start=start, digests=digested is not None)
        at = start
        async with (
            aclosing(read_segments(self._pool, known.id, begin=start)) as segments,
            aclosing(self._store.read(known.key, start=start)) as chunks,
            aclosing(in_blocks(chunks)) as blocks,
        ):
            placed = _Placed(self._pool, known, segments)
            async for block in blocks:
                crc32, stretches = await placed.of_block(at)
                await on_thread(inspector.take, block, crc32, stretches)
                at += len(block)
                await after_block(len(block))
        findings = [*_checksums(known), *inspector.close()]
        if digested and inspector.sha256:
            digested(inspector.sha256)
        return findings


class _Placed:
    """What the index says of one block of an object after another."""

    def __init__(self, pool: Pool, known: IndexedObject, segments: AsyncGenerator[Stretch, None]) -> None:
        self._pool = pool
        self._known = known
        self._segments = segments
        self._next: Stretch | None = None
        self._crc32s = b""
        self._first = 0

    async def of_block(self, at: int) -> tuple[bytes | None, list[Stretch]]:
        """Give the checksum of the block at byte ``at``, and the stretches that begin in it."""
        end = at + BLOCK
        entries = await find_entries(self._pool, self._known.id, begin=at, end=end)
        found = [*entries, *await self._segments_before(end)]
        return await self._crc32(at // BLOCK), sorted(found, key=lambda each: each.position)

    async def _segments_before(self, end: int) -> list[Stretch]:
        found = []
        following = self._next or await anext(self._segments, None)
        while following and following.position < end:
            found.append(following)
            following = await anext(self._segments, None)
        self._next = following
        return found

    async def _crc32(self, block: int) -> bytes | None:
        """Give the checksum of a block, None where there is none."""
        if self._known.checksums is None:
            return None
        at = (block - self._first) * WIDTH
        if at >= len(self._crc32s):
            found = await find_blocks(self._pool, self._known.key, first=block, count=_BLOCKS_AT_ONCE)
            self._first, at, self._crc32s = block, 0, found.crc32s if found else b""
        return self._crc32s[at : at + WIDTH] or None


def _checksums(known: IndexedObject) -> list[Finding]:
    """Find whether the index has fewer checksums than the object has blocks, or more."""
    blocks = -(-known.size // BLOCK)
    if known.checksums is None or known.checksums == blocks:
        return []
    reason = f"the index has {known.checksums} checksums of its {blocks} blocks"
    return [Finding(kind=FindingKind.OBJECT_CHECKSUMS, reason=reason, key=known.key)]


def find_mark(known: IndexedObject, *, is_read: bool) -> list[Finding]:
    """Find whether an object about which nothing else was found is marked as damaged."""
    if not known.is_damaged:
        return []
    kind, reason = FindingKind.OBJECT_DAMAGED, "it is marked as damaged"
    if is_read:
        kind, reason = FindingKind.OBJECT_UNDAMAGED, "it is marked as damaged, and its bytes are right"
    return [Finding(kind=kind, reason=reason, key=known.key)]
