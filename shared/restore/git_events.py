"""Reads a repository on another server as the events of an archive of a project that has nothing else.

Nothing is kept on the way: the pack goes behind the header of a bundle, and its objects are looked at for
pointers of LFS while they pass. Memory: the references, and the blob size up to which a bundle is packed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace

from shared.archive.budget import Budget, Work
from shared.archive.errors import ArchiveTooLarge
from shared.archive.events import ArchiveEvent, EntryData, EntryEnded, EntryStarted, TarEntryKind
from shared.database.pool import Pool
from shared.git.errors import RepositoryDamaged
from shared.git.lfs_batch import LfsServer
from shared.git.lfs_pointers import MOST_POINTERS, PointerLooker
from shared.git.pack_objects import PackObjects, PackUnreadable
from shared.git.selection import ReferenceSelection
from shared.git.smart_http import RemoteRepository
from shared.gitlab.layout import LFS_INDEX, PROJECT, REPOSITORY, TREE, VERSION, WIKI
from shared.gitlab.project_json import project_attributes
from shared.gitlab.relation_selection import RelationSelection
from shared.gitlab.version import FORMAT_VERSION
from shared.jobs.models import Job, RemoteSource
from shared.outbound.remote_imports import RemoteImportPolicy
from shared.projects import content
from shared.remote.client import RemoteClient
from shared.restore.entries import lfs_object_failure, reference_failure, wiki_failure
from shared.restore.lfs_events import LfsEvents
from shared.restore.reading import Reading
from shared.restore.tolerance import SERVER_ERRORS, Tolerance, may_pass
from shared.settings.application import ApplicationSettings
from shared.settings.store import application_settings
from shared.shielding import on_thread

_PIECE = 256 * 1024
_LINES_OF_OBJECT = 2
"""What an object is worth in lines, by the time that it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GitSource:
    """The repository at ``url``, with its wiki and its LFS objects.

    ``attributes`` are those of the project, ``mtime`` is that of all files. A bundle of up to
    ``packed_up_to`` bytes is held, as its size has to be known before its first byte. Where the attempt
    ``is_last``, the wiki and LFS objects are left out whatever keeps them from coming. With ``make_branches``
    pull requests of GitHub come, too; it is called with all references, before they are fetched.
    ``count_lfs`` is called with the numbers of LFS objects that are wanted and that are kept. Without
    ``has_wiki`` and ``has_lfs`` these are not asked for.
    """

    client: RemoteClient
    url: str
    attributes: Mapping[str, object]
    mtime: int
    packed_up_to: int
    is_last: bool = False
    make_branches: Callable[[ReferenceSelection], Awaitable[None]] | None = None
    has_wiki: bool = True
    has_lfs: bool = True
    count_lfs: Callable[[int, int], None] | None = None

    def selecting(self, selection: RelationSelection | None) -> GitSource:
        """Give the same without what a selection leaves out, as far as it is fetched by itself."""
        if selection is None:
            return self
        return replace(
            self,
            has_wiki=self.has_wiki and selection.keeps("wiki_repository"),
            has_lfs=self.has_lfs and selection.keeps("lfs_objects"),
        )

    async def events(self, reading: Reading) -> AsyncGenerator[ArchiveEvent, None]:
        """Give the events. Raises RepositoryError, RemoteError, BlockedUrl and ArchiveError."""
        for event in self.head(project_attributes(b"{}", self.attributes)):
            yield event
        async with aclosing(self.repositories(reading)) as events:
            async for event in events:
                yield event

    def head(self, document: bytes) -> Iterable[ArchiveEvent]:
        """Give what every archive begins with; ``document`` has the attributes of the project."""
        for name in (TREE, PROJECT.rpartition("/")[0]):
            yield EntryStarted(name, TarEntryKind.DIRECTORY, 0, self.mtime)
            yield EntryEnded()
        for name, data in ((VERSION, FORMAT_VERSION), (PROJECT, document)):
            yield from self._file(name, data)

    async def repositories(self, reading: Reading) -> AsyncGenerator[ArchiveEvent, None]:
        """Give the repository, its LFS objects and its wiki. Raises as ``events`` does."""
        async with self.client.keeping() as client:
            repository = RemoteRepository(client, self.url, count=reading.count)
            async with aclosing(self._repository(repository, reading, client=client)) as events:
                async for event in events:
                    yield event
            if self.has_wiki:
                async with aclosing(self._wiki(repository.wiki(), reading)) as events:
                    async for event in events:
                        yield event

    async def _repository(
        self, repository: RemoteRepository, reading: Reading, *, client: RemoteClient
    ) -> AsyncGenerator[ArchiveEvent, None]:
        chosen, pointers = ReferenceSelection(pulls=self.make_branches is not None), PointerLooker()
        object_format = (await repository.find(chosen)).object_format
        if chosen.refused:
            await reading.failures.add(reference_failure(chosen.refused))
        if self.make_branches:
            await self.make_branches(chosen)
        if not chosen.is_empty:
            objects = _LookedAt(PackObjects(object_format, pointers), reading.budget)
            pieces = _bundle(repository, chosen, object_format, objects=objects)
            async with aclosing(self.unsized(REPOSITORY, pieces, reading)) as events:
                async for event in events:
                    yield event
        if pointers.overflowed:
            await reading.failures.add(lfs_object_failure(f"only the first {MOST_POINTERS} are looked for"))
        server = LfsServer(client, repository)
        lfs = LfsEvents(server, reading, self._tolerance(reading), mtime=self.mtime)
        async with aclosing(lfs.events(pointers.found if self.has_lfs else {})) as events:
            async for event in events:
                yield event
        if self.count_lfs:
            self.count_lfs(len(pointers.found), len(lfs.kept))
        listed = ",".join(f'"{oid.hex()}":[0]' for oid in lfs.kept)  # each of the project's repository
        for event in self._file(LFS_INDEX, f"{{{listed}}}".encode()):
            yield event

    async def _wiki(
        self, repository: RemoteRepository, reading: Reading
    ) -> AsyncGenerator[ArchiveEvent, None]:
        """Give the wiki, where there is one: servers say in many ways that there is none."""
        chosen, tolerance = ReferenceSelection(), self._tolerance(reading)
        try:
            server = await repository.find(chosen)
        except SERVER_ERRORS as error:
            if tolerance.ends_attempt(error):
                raise
            if may_pass(error):
                await reading.failures.add(wiki_failure(error.shown))
            return
        if not chosen.is_empty:
            pieces = _bundle(repository, chosen, server.object_format)
            wiki = tolerance.events(self.unsized(WIKI, pieces, reading), wiki_failure)
            async with aclosing(wiki) as events:
                async for event in events:
                    yield event

    def _tolerance(self, reading: Reading) -> Tolerance:
        return Tolerance(failures=reading.failures, is_last=self.is_last)

    def _file(self, name: str, data: bytes) -> Iterable[ArchiveEvent]:
        yield EntryStarted(name, TarEntryKind.FILE, len(data), self.mtime)
        for at in range(0, len(data), _PIECE):
            yield EntryData(data[at : at + _PIECE])
        yield EntryEnded()

    async def unsized(
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


async def _bundle(
    repository: RemoteRepository,
    chosen: ReferenceSelection,
    object_format: str,
    *,
    objects: _LookedAt | None = None,
) -> AsyncGenerator[bytes, None]:
    """Give the bundle, at most 256 KiB at a time; ``objects`` looks at its pack.

    Raises RepositoryDamaged and ArchiveCostsTooMuch.
    """
    header = chosen.header(object_format)
    for at in range(0, len(header), _PIECE):
        yield header[at : at + _PIECE]
    async with aclosing(repository.pack(chosen)) as pieces:
        async for piece in pieces:
            if objects:
                await objects.feed(piece)
            for at in range(0, len(piece), _PIECE):
                yield piece[at : at + _PIECE]
    if objects:
        objects.close()


class _LookedAt:
    """The objects of a pack, of which ``budget`` pays what it costs to inflate them."""

    def __init__(self, objects: PackObjects, budget: Budget) -> None:
        self._objects = objects
        self._budget = budget

    async def feed(self, piece: bytes) -> None:
        """Take the next bytes, which may be up to 300 MiB when they are inflated, 1 MiB at a time."""
        seen, inflated = self._objects.seen, self._objects.inflated
        with _told_as_damage():
            await on_thread(self._objects.feed, piece)
        self._budget.spend(Work.LINES, _LINES_OF_OBJECT * (self._objects.seen - seen))
        self._budget.spend(Work.BYTES, self._objects.inflated - inflated)

    def close(self) -> None:
        """End the pack."""
        with _told_as_damage():
            self._objects.close()


@contextmanager
def _told_as_damage() -> Iterator[None]:
    try:
        yield
    except PackUnreadable as error:
        raise RepositoryDamaged(str(error)) from None


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
            is_last=job.attempt >= job.max_attempts,
        )
