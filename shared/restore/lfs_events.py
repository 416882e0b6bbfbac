"""The LFS objects of a repository on another server, as the events of files of an archive."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from itertools import islice

from shared.archive.events import ArchiveEvent, EntryData, EntryEnded, EntryStarted, TarEntryKind
from shared.git.errors import LfsObjectShort
from shared.git.lfs_batch import AT_ONCE, LfsObject, LfsPlace, LfsServer
from shared.gitlab.layout import FileKind, file_name
from shared.restore.entries import lfs_object_failure
from shared.restore.failures import Failure
from shared.restore.reading import Reading
from shared.restore.tolerance import SERVER_ERRORS, Tolerance


class LfsEvents:
    """Gives LFS objects: those that cannot be had are failures, and the rest goes on.

    ``kept`` has the SHA-256 of those that the import has taken, each once it has.
    """

    def __init__(self, server: LfsServer, reading: Reading, tolerance: Tolerance, *, mtime: int) -> None:
        self._server = server
        self._reading = reading
        self._tolerance = tolerance
        self._mtime = mtime
        self.kept: list[bytes] = []

    async def events(self, pointers: Mapping[bytes, int]) -> AsyncGenerator[ArchiveEvent, None]:
        """Give the objects that ``pointers`` name, with the sizes that they say."""
        for some in _some_at_a_time(pointers):
            for each, place in zip(some, await self._locate(some), strict=True):
                if why := place.error or self._refusal(each):
                    await self._reading.failures.add(self._failure(each, why))
                    continue
                object_ = self._tolerance.events(self._object(each, place), partial(self._failure, each))
                async with aclosing(object_) as events:
                    async for event in events:
                        yield event

    async def _locate(self, some: Sequence[LfsObject]) -> list[LfsPlace]:
        try:
            return await self._server.locate(some)
        except SERVER_ERRORS as error:
            if self._tolerance.ends_attempt(error):
                raise
            return [LfsPlace(error=error.shown)] * len(some)

    def _refusal(self, wanted: LfsObject) -> str:
        limit = self._reading.limits.decompressed
        if limit and self._reading.progress.bytes_done + wanted.size > limit:
            return f"with its {wanted.size} bytes all is over the limit of {limit}"
        return ""

    async def _object(self, wanted: LfsObject, place: LfsPlace) -> AsyncGenerator[ArchiveEvent, None]:
        name = file_name(FileKind.LFS_OBJECT, wanted.oid.hex())
        async with self._server.download(place) as download:
            yield EntryStarted(name, TarEntryKind.FILE, wanted.size, self._mtime)
            left = wanted.size
            while left and (chunk := (await download.chunk())[:left]):
                left -= len(chunk)
                self._reading.count(len(chunk))
                yield EntryData(chunk)
            if left:
                raise LfsObjectShort(left)
            before = self._reading.failures.count
            yield EntryEnded()
            if self._reading.failures.count == before:  # or its bytes are others than its name says
                self.kept.append(wanted.oid)

    def _failure(self, wanted: LfsObject, why: str) -> Failure:
        return lfs_object_failure(f"LFS object {wanted.oid.hex()}: {self._server.mask(why)}")


def _some_at_a_time(pointers: Mapping[bytes, int]) -> Iterator[Sequence[LfsObject]]:
    every = (LfsObject(oid, size) for oid, size in pointers.items())
    while some := tuple(islice(every, AT_ONCE)):
        yield some
