"""Puts an archive together: one gzip member out of our tar headers and the stored runs between them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing

from services.exporter.members import Directory, Document, Member, Stored
from shared.archive import writer as tar
from shared.errors import StorageError
from shared.segments.assembler import GzipAssembler
from shared.segments.encoder import Extent
from shared.snapshots.models import PlacedEntry
from shared.snapshots.reader import Run, read_runs
from shared.storage.base import ObjectStore

_WINDOW = 1000
"""Members planned at a time: their headers and places are held at once, and one document at most."""


class Assembly:
    """Makes the bytes of one archive, a window of members after another."""

    def __init__(self, store: ObjectStore, *, root_mtime: int) -> None:
        self._store = store
        self._gzip = GzipAssembler()
        self._own = bytearray(tar.root_header(root_mtime))  # what waits to be encoded in one segment
        self._written = len(self._own)
        self.members = 0

    async def assemble(self, members: AsyncIterator[Member]) -> AsyncGenerator[bytes, None]:
        """Give the archive in pieces of at most 1 MiB, or of one document."""
        yield self._gzip.header()
        plan: list[bytes | Run] = []
        async for member in members:
            plan += self._plan(member)
            self.members += 1
            if self.members % _WINDOW == 0 or isinstance(member, Document):
                async for piece in self._pieces(plan):
                    yield piece
                plan = []
        self._own += tar.end_of_archive(self._written)
        async for piece in self._pieces([*plan, self._encoded()]):
            yield piece
        yield self._gzip.finish()

    def _plan(self, member: Member) -> Iterator[bytes | Run]:
        match member:
            case Directory(name, mtime):
                self._add(tar.directory_header(name.rstrip("/"), mtime))
            case Document(name, mtime, data):
                self._add(tar.file_header(name, size=len(data), mtime=mtime) + data + tar.padding(len(data)))
                yield self._encoded()
            case Stored(placed):
                yield from self._stored(placed)

    def _stored(self, placed: PlacedEntry) -> Iterator[bytes | Run]:
        entry = placed.entry
        self._add(tar.file_header(entry.name, size=entry.raw_size, mtime=entry.mtime))
        if entry.raw_size:
            yield self._encoded()
            yield Run(placed.key, entry.position, entry.stored_size)
            self._gzip.add(Extent(entry.raw_size, entry.stored_size, entry.crc32))
            self._written += entry.raw_size
            self._add(tar.padding(entry.raw_size))

    def _add(self, data: bytes) -> None:
        self._own += data
        self._written += len(data)

    def _encoded(self) -> bytes:
        own, self._own = bytes(self._own), bytearray()
        return self._gzip.own(own)

    async def _pieces(self, plan: list[bytes | Run]) -> AsyncGenerator[bytes, None]:
        runs = [item for item in plan if isinstance(item, Run)]
        async with aclosing(read_runs(self._store, runs)) as chunks:
            feed = _Feed(chunks)
            for item in plan:
                if isinstance(item, bytes):
                    yield item
                else:
                    async for piece in feed.take(item):
                        yield piece


class _Feed:
    """Cuts the stream of neighbouring runs back into the runs."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    async def take(self, run: Run) -> AsyncGenerator[bytes, None]:
        missing = run.length
        while missing:
            if not self._rest:
                self._rest = memoryview(await self._next(run))
            piece, self._rest = self._rest[:missing], self._rest[missing:]
            missing -= len(piece)
            yield bytes(piece)

    async def _next(self, run: Run) -> bytes:
        try:
            return await anext(self._chunks)
        except StopAsyncIteration:
            raise StorageError(f"object {run.key!r} ended early") from None
