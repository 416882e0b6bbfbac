"""Writes uploaded files into object storage. An upload needs the memory of one multipart part."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog

from shared.database.pool import Pool
from shared.errors import StorageError
from shared.ledger import objects
from shared.ledger.objects import StoredObject
from shared.storage.base import ObjectStore, ObjectWriter

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file in object storage."""

    object_id: int
    file_name: str
    sha256: bytes


class Uploads:
    """Opens uploads."""

    def __init__(self, pool: Pool, store: ObjectStore) -> None:
        self._pool = pool
        self._store = store

    @asynccontextmanager
    async def open(self) -> AsyncIterator[RequestFiles]:
        """Open an upload for a block, after which all files that were not kept are removed."""
        async with AsyncExitStack() as stack:
            yield RequestFiles(self._pool, self._store, stack)


class RequestFiles:
    """The files of one request. Only the last one can be kept: it takes the place of the one before."""

    def __init__(self, pool: Pool, store: ObjectStore, stack: AsyncExitStack) -> None:
        self.last: UploadedFile | None = None
        self._pool = pool
        self._store = store
        self._stack = stack
        self._kept: int | None = None
        self._open: _File | None = None

    async def begin(self, file_name: str) -> None:
        """Begin a file. Its row is in the ledger before its first byte is stored."""
        await self._stack.aclose()  # here, as nothing may wait for the database once the last one is kept
        named = await objects.register(self._pool, kind="upload")
        self._stack.push_async_callback(self._remove, named)
        await self._stack.enter_async_context(objects.keep_touched(self._pool, named.id))
        writer = await self._stack.enter_async_context(self._store.create(named.key))
        self._open = _File(named, file_name, writer)

    async def write(self, chunk: bytes | bytearray) -> None:
        """Write bytes of the current file; does nothing if there is none."""
        if self._open is not None:
            await self._open.write(chunk)

    async def end(self) -> None:
        """End the current file, which becomes ``last``; does nothing if there is none."""
        if self._open is None:
            return
        file, self._open = self._open, None
        size, digest = await file.writer.commit(), file.sha256.digest()
        await objects.record_stored(self._pool, file.named.id, size=size, sha256=digest)
        self.last = UploadedFile(file.named.id, file.file_name, digest)

    def keep(self) -> None:
        """Keep the last file, because a job refers to it now."""
        self._kept = self.last.object_id if self.last else None

    async def _remove(self, named: StoredObject) -> None:
        if named.id != self._kept:
            try:
                # The shield lets the removal finish even if the request is cancelled.
                await asyncio.shield(objects.collect(self._pool, self._store, named, is_aborted=True))
            except StorageError:
                _log.warning("discard_failed", key=named.key, exc_info=True)  # the collector tries again


class _File:
    """A file that is being written, and its digest so far."""

    def __init__(self, named: StoredObject, file_name: str, writer: ObjectWriter) -> None:
        self.named = named
        self.file_name = file_name
        self.writer = writer
        self.sha256 = hashlib.sha256()

    async def write(self, chunk: bytes | bytearray) -> None:
        self.sha256.update(chunk)
        await self.writer.write(chunk)
