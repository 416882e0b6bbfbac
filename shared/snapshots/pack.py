"""The pack: an object that holds relations and small blobs of a snapshot, in order of arrival."""

from __future__ import annotations

from contextlib import AsyncExitStack

from shared.database.pool import Pool
from shared.ledger import objects
from shared.storage.base import ObjectStore, ObjectWriter

LONGEST = 4 * 2**30
"""No pack comes near the most parts that S3 takes of an upload, and one copy on the server takes 5 GiB."""

_GATHERED = 64 * 1024
"""Bytes that are written at a time, at least: a small file has three pieces, and each write has its cost."""


class Pack:
    """Appends to an object that the first byte creates; ``size`` is the bytes in it so far.

    An entry that begins once the pack has ``longest`` bytes begins another object. Less than 64 KiB wait to
    be written.
    """

    def __init__(
        self, pool: Pool, store: ObjectStore, *, resources: AsyncExitStack, longest: int = LONGEST
    ) -> None:
        self._longest = longest
        self._pool = pool
        self._store = store
        self._resources = resources
        self._writer: ObjectWriter | None = None
        self._held: list[bytes] = []
        self._held_size = 0
        self.object_id: int | None = None
        self.size = 0

    async def begin(self) -> None:
        """Begin an entry, all of which lies in one object."""
        if self.size >= self._longest:
            await self.commit()
            self._writer, self.object_id, self.size = None, None, 0

    async def append(self, data: bytes) -> None:
        """Append stored bytes (any number). Waits where the store is slower than the caller."""
        if data:
            writer = self._writer or await self._begin()
            self._held.append(data)
            self._held_size += len(data)
            self.size += len(data)
            if self._held_size >= _GATHERED:
                await self._write(writer)

    async def _write(self, writer: ObjectWriter) -> None:
        held, self._held, self._held_size = self._held, [], 0
        await writer.write(held[0] if len(held) == 1 else b"".join(held))

    async def _begin(self) -> ObjectWriter:
        named = await objects.register(self._pool, kind="pack")
        await self._resources.enter_async_context(objects.keep_touched(self._pool, named.id))
        self._writer = await self._resources.enter_async_context(self._store.create(named.key))
        self.object_id = named.id
        return self._writer

    async def commit(self) -> None:
        """Commit the object, where there is one."""
        if self._writer and self.object_id is not None:
            await self._write(self._writer)
            await self._writer.commit()
            await objects.record_stored(
                self._pool, self.object_id, size=self.size, sha256=None, crc32s=self._writer.crc32s
            )
