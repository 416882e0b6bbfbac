"""Reads a repository on another server as the events of an archive of a project that has nothing else.

Nothing is kept on the way: the pack goes behind the header of a bundle, and its objects are looked at for
pointers of LFS while they pass. Memory: the references, and the blob size up to which a bundle is packed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice

from shared.archive.errors import ArchiveTooLarge
from shared.archive.events import ArchiveEvent, EntryData, EntryEnded, EntryStarted, TarEntryKind
from shared.database.pool import Pool
from shared.git.errors import PackCut, RepositoryError, RepositoryLimited
from shared.git.lfs_batch import AT_ONCE, LfsObject, LfsPlace, LfsServer
from shared.git.lfs_pointers import MOST_POINTERS, PointerLooker
from shared.git.pack_objects import PackObjects
from shared.git.selection import ReferenceSelection
from shared.git.smart_http import RemoteRepository
from shared.gitlab.layout import LFS_INDEX, PROJECT, REPOSITORY, TREE, VERSION, WIKI, FileKind, file_name
from shared.gitlab.project_json import project_attributes
from shared.gitlab.version import FORMAT_VERSION
from shared.jobs.models import Job, RemoteSource
from shared.outbound.remote_imports import RemoteImportPolicy
from shared.projects import content
from shared.remote.client import RemoteClient
from shared.remote.errors import BlockedUrl, RemoteError
from shared.restore.entries import lfs_object_failure
from shared.restore.reading import Reading
from shared.settings.application import ApplicationSettings
from shared.settings.store import application_settings
from shared.shielding import on_thread

_PIECE = 256 * 1024
_ERRORS = (RepositoryError, RemoteError, BlockedUrl)


@dataclass(frozen=True, slots=True, kw_only=True)
class GitSource:
    """The repository at ``url``, with its wiki and its LFS objects.

    ``attributes`` are those of the project, ``mtime`` is that of all files. A bundle of up to
    ``packed_up_to`` bytes is held, as its size has to be known before its first byte.
    """

    client: RemoteClient
    url: str
    attributes: Mapping[str, object]
    mtime: int
    packed_up_to: int

    async def events(self, reading: Reading) -> AsyncGenerator[ArchiveEvent, None]:
        """Give the events. Raises RepositoryError, RemoteError, BlockedUrl and ArchiveError."""
        for name in (TREE, PROJECT.rpartition("/")[0]):
            yield EntryStarted(name, TarEntryKind.DIRECTORY, 0, self.mtime)
            yield EntryEnded()
        document = project_attributes(b"{}", self.attributes)
        for name, data in ((VERSION, FORMAT_VERSION), (PROJECT, document)):
            for event in self._file(name, data):
                yield event
        repository = RemoteRepository(self.client, self.url, count=reading.count)
        async with aclosing(self._repository(repository, reading)) as events:
            async for event in events:
                yield event
        async with aclosing(self._wiki(repository.wiki(), reading)) as events:
            async for event in events:
                yield event

    async def _repository(
        self, repository: RemoteRepository, reading: Reading
    ) -> AsyncGenerator[ArchiveEvent, None]:
        chosen, pointers = ReferenceSelection(), PointerLooker()
        server = await repository.find(chosen)
        if not chosen.is_empty:
            objects = PackObjects(server.object_format, pointers)
            pieces = _bundle(repository, chosen, server.object_format, objects=objects)
            async with aclosing(self._blob(REPOSITORY, pieces, reading)) as events:
                async for event in events:
                    yield event
        if pointers.overflowed:
            await reading.failures.add(lfs_object_failure(f"only the first {MOST_POINTERS} are looked for"))
        lfs = _Lfs(LfsServer(self.client, repository), self, reading)
        async with aclosing(lfs.events(pointers.found)) as events:
            async for event in events:
                yield event

    async def _wiki(
        self, repository: RemoteRepository, reading: Reading
    ) -> AsyncGenerator[ArchiveEvent, None]:
        """Give the wiki, where there is one: servers say in many ways that there is none."""
        chosen = ReferenceSelection()
        try:
            server = await repository.find(chosen)
        except _ERRORS as error:
            if _may_pass(error):
                raise
            return
        if not chosen.is_empty:
            pieces = _bundle(repository, chosen, server.object_format)
            async with aclosing(self._blob(WIKI, pieces, reading)) as events:
                async for event in events:
                    yield event

    def _file(self, name: str, data: bytes) -> Iterable[ArchiveEvent]:
        yield EntryStarted(name, TarEntryKind.FILE, len(data), self.mtime)
        for at in range(0, len(data), _PIECE):
            yield EntryData(data[at : at + _PIECE])
        yield EntryEnded()

    async def _blob(
        self, name: str, pieces: AsyncGenerator[bytes, None], reading: Reading
    ) -> AsyncGenerator[ArchiveEvent, None]:
        """Give a file of unknown size: of one that is not packed, no more is told than that."""
        held = bytearray()
        async with aclosing(pieces):
            async for piece in pieces:
                held += piece
                if len(held) > self.packed_up_to:
                    break
            size = len(held)
            yield EntryStarted(name, TarEntryKind.FILE, size, self.mtime)
            while held:
                yield EntryData(bytes(held[:_PIECE]))
                del held[:_PIECE]
            async for piece in pieces:
                size += len(piece)
                _check_size(size, name, reading)
                yield EntryData(piece)
        yield EntryEnded()

    def lfs_object(self, wanted: LfsObject) -> EntryStarted:
        """Begin an LFS object."""
        name = file_name(FileKind.LFS_OBJECT, wanted.oid.hex())
        return EntryStarted(name, TarEntryKind.FILE, wanted.size, self.mtime)

    def lfs_index(self, oids: Iterable[bytes]) -> Iterable[ArchiveEvent]:
        """Give the index of the LFS objects, all of them of the project's repository."""
        listed = ",".join(f'"{oid.hex()}":[0]' for oid in oids)
        return self._file(LFS_INDEX, f"{{{listed}}}".encode())


class _Lfs:
    """The LFS objects of a repository: those that cannot be had are failures, and the rest goes on."""

    def __init__(self, server: LfsServer, source: GitSource, reading: Reading) -> None:
        self._server = server
        self._source = source
        self._reading = reading
        self._kept: list[bytes] = []

    async def events(self, pointers: Mapping[bytes, int]) -> AsyncGenerator[ArchiveEvent, None]:
        """Give the objects that ``pointers`` name, and their index."""
        for some in _some_at_a_time(pointers):
            for each, place in zip(some, await self._locate(some), strict=True):
                async with aclosing(self._object(each, place)) as events:
                    async for event in events:
                        yield event
        for event in self._source.lfs_index(self._kept):
            yield event

    async def _locate(self, some: Sequence[LfsObject]) -> list[LfsPlace]:
        try:
            return await self._server.locate(some)
        except _ERRORS as error:
            if _may_pass(error):
                raise
            return [LfsPlace(error=error.shown)] * len(some)

    async def _object(self, wanted: LfsObject, place: LfsPlace) -> AsyncGenerator[ArchiveEvent, None]:
        if place.error:
            await self._fail(wanted, place.error)
            return
        limit = self._reading.limits.decompressed
        if limit and self._reading.progress.bytes_done + wanted.size > limit:
            await self._fail(wanted, f"with its {wanted.size} bytes all is over the limit of {limit}")
            return
        began = False
        try:
            async with self._server.download(place) as download:
                began = True
                self._kept.append(wanted.oid)
                yield self._source.lfs_object(wanted)
                left = wanted.size
                while left and (chunk := (await download.chunk())[:left]):
                    left -= len(chunk)
                    self._reading.count(len(chunk))
                    yield EntryData(chunk)
                yield EntryEnded()
        except _ERRORS as error:
            if began or _may_pass(error):
                raise
            await self._fail(wanted, error.shown)

    async def _fail(self, wanted: LfsObject, why: str) -> None:
        await self._reading.failures.add(lfs_object_failure(f"LFS object {wanted.oid.hex()}: {why}"))


def _some_at_a_time(pointers: Mapping[bytes, int]) -> Iterator[Sequence[LfsObject]]:
    every = (LfsObject(oid, size) for oid, size in pointers.items())
    while some := tuple(islice(every, AT_ONCE)):
        yield some


def _may_pass(error: RepositoryError | RemoteError | BlockedUrl) -> bool:
    """Tell whether an error says nothing of what is there, so that all is to be tried again later."""
    if isinstance(error, RepositoryError):
        return isinstance(error, (RepositoryLimited, PackCut))
    return error.retryable


async def _bundle(
    repository: RemoteRepository,
    chosen: ReferenceSelection,
    object_format: str,
    *,
    objects: PackObjects | None = None,
) -> AsyncGenerator[bytes, None]:
    """Give the bundle, at most 256 KiB at a time; ``objects`` looks at its pack. Raises PackUnreadable."""
    header = chosen.header(object_format)
    for at in range(0, len(header), _PIECE):
        yield header[at : at + _PIECE]
    async with aclosing(repository.pack(chosen)) as pieces:
        async for piece in pieces:
            if objects:
                await on_thread(objects.feed, piece)
            for at in range(0, len(piece), _PIECE):
                yield piece[at : at + _PIECE]


def _check_size(size: int, name: str, reading: Reading) -> None:
    limit = reading.limits.decompressed
    if limit and size > limit:
        raise ArchiveTooLarge(name, limit=limit)


class RepositoryOpener:
    """Opens the repository of a job. Its address is checked again, by the current settings."""

    def __init__(
        self, pool: Pool, *, remote: RemoteImportPolicy, defaults: ApplicationSettings, packed_up_to: int
    ) -> None:
        self._pool = pool
        self._remote = remote
        self._defaults = defaults
        self._packed_up_to = packed_up_to

    async def open(self, job: Job, source: RemoteSource) -> GitSource:
        """Make the source. Raises ProjectGone."""
        settings = await application_settings(self._pool, self._defaults)
        project = await content.project_content(self._pool, job.project_id)
        return GitSource(
            client=self._remote.client(settings),
            url=source.url,
            attributes=project.attributes,
            mtime=int(project.created_at.timestamp()),
            packed_up_to=self._packed_up_to,
        )
