"""Imports an archive, also one that a peer makes, a repository, or all of one at a GitHub, in one pass."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from shared.archive.budget import Budget
from shared.archive.errors import ArchiveTooLarge
from shared.archive.events import ArchiveEvent
from shared.database.pool import Pool
from shared.errors import CrossdockError
from shared.github_import.opener import GitHubOpener
from shared.gitlab.project_json import ProjectAttributes
from shared.gitlab.relation_selection import RelationSelection
from shared.jobs import store as jobs
from shared.jobs.models import ImportOrder, Job, JobKind, Lease, Outcome, SourceForm
from shared.jobs.progress import Phase, Progress
from shared.peer_transfers.opener import PeerOpener
from shared.projects import content
from shared.projects.imported_members import add_imported_members
from shared.records.features import read_features
from shared.records.members import read_members
from shared.remote.errors import BlockedUrl, StatusRefused
from shared.restore.archive_events import archive_events
from shared.restore.entries import verifier_of, verifier_of_git
from shared.restore.event_loop import EventLoopYielder
from shared.restore.failure_writer import FailureWriter
from shared.restore.git_events import RepositoryOpener
from shared.restore.reading import Reading
from shared.restore.restorer import Restorer
from shared.restore.selection import select_events
from shared.restore.sources import ArchiveOpener, OpenArchive
from shared.restore.verifiers import Verifier
from shared.settings.archive_limits import LimitsProvider
from shared.snapshots import lifecycle, named
from shared.snapshots.contents import make_manifest_digest
from shared.snapshots.writer import SnapshotWriter, write_snapshot
from shared.storage.base import ObjectStore

_ELSEWHERE = (JobKind.GIT_IMPORT, JobKind.GITHUB_IMPORT, JobKind.PEER_IMPORT)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """What is imported: its events, and what makes the verifiers of its files.

    ``size`` is that of an archive, None if unknown; ``outcome`` is asked for behind the last event.
    """

    events: Callable[[Reading], AsyncGenerator[ArchiveEvent, None]]
    verifiers: Callable[[str], Verifier] = verifier_of_git
    size: int | None = None
    outcome: Callable[[], Outcome | None] = lambda: None


class Importer:
    """Imports archives and repositories, one or several at a time, each in flat memory."""

    def __init__(
        self,
        pool: Pool,
        store: ObjectStore,
        *,
        sources: ArchiveOpener,
        repositories: RepositoryOpener,
        hubs: GitHubOpener,
        peers: PeerOpener,
        limits: LimitsProvider,
        packed_up_to: int,
    ) -> None:
        self._pool = pool
        self._store = store
        self._sources = sources
        self._repositories = repositories
        self._hubs = hubs
        self._peers = peers
        self._limits = limits
        self._packed_up_to = packed_up_to

    async def run(self, job: Job, lease: Lease, progress: Progress) -> None:
        """Do the job and mark it finished. Raises the error that stopped it. May be repeated."""
        progress.begin(Phase.PREPARING)
        async with self._open(job, lease, progress) as source:
            progress.bytes_total = source.size or 0
            await self._import(job, lease, progress, source=source)

    @asynccontextmanager
    async def _open(self, job: Job, lease: Lease, progress: Progress) -> AsyncIterator[_Source]:
        source = job.order.source if isinstance(job.order, ImportOrder) else None
        match source and source.form:
            case SourceForm.GIT if source is not None:
                repository = await self._repositories.open(job, source)
                yield _Source(events=repository.selecting(_selection(job)).events)
            case SourceForm.GITHUB:
                yield _Source(events=(await self._hubs.open(job, lease, progress)).events)
            case SourceForm.PEER:
                async with self._peers.open(job, lease, progress) as archive:
                    yield _of_archive(archive)
            case _:
                async with self._sources.open(job) as archive:
                    yield _of_archive(archive)

    async def _import(self, job: Job, lease: Lease, progress: Progress, *, source: _Source) -> None:
        limits = await self._limits()
        budget = Budget(limits.prices)
        failures = FailureWriter(self._pool, lease)
        yielder = EventLoopYielder()
        async with write_snapshot(
            self._pool, self._store, lease, project_id=job.project_id, packed_up_to=self._packed_up_to
        ) as writer:
            restorer = Restorer(
                writer, limits=limits, budget=budget, failures=failures, progress=progress, yielder=yielder,
                verifiers=source.verifiers,
            )  # fmt: skip
            reading = Reading(
                limits=limits, budget=budget, failures=failures, progress=progress, yielder=yielder
            )
            progress.begin(Phase.READING)
            async with failures.flush_after():
                events = source.events(reading)
                if selection := _selection(job):
                    events = select_events(events, selection, progress)
                await self._restore(events, restorer, yielder=yielder)
                attributes = await restorer.complete()
                progress.begin(Phase.WRITING)
                await writer.close()
            progress.begin(Phase.COMMITTING)
            await self._finish(job, lease, writer, attributes, progress=progress, outcome=source.outcome())

    async def _restore(
        self, events: AsyncGenerator[ArchiveEvent, None], restorer: Restorer, *, yielder: EventLoopYielder
    ) -> None:
        async with aclosing(events):
            async for event in events:
                await restorer.handle(event)
                await yielder.yield_if_due()

    async def _finish(
        self,
        job: Job,
        lease: Lease,
        writer: SnapshotWriter,
        attributes: ProjectAttributes,
        *,
        progress: Progress,
        outcome: Outcome | None,
    ) -> None:
        order = job.order
        assert isinstance(order, ImportOrder)  # noqa: S101  # this worker claims no other kind
        snapshot_id = writer.snapshot_id
        features = await read_features(self._pool, self._store, snapshot_id)
        content_sha256 = await make_manifest_digest(self._pool, snapshot_id)
        members = await read_members(self._pool, self._store, snapshot_id) if order.import_members else []
        async with self._pool.acquire() as db, db.transaction():
            await jobs.hold(db, lease)
            await lifecycle.commit(
                db, snapshot_id=snapshot_id, project_id=job.project_id, features=features, body=writer.body,
                content_sha256=content_sha256,
            )  # fmt: skip
            await content.apply_attributes(
                db,
                job.project_id,
                description=attributes.description,
                visibility=attributes.visibility_level,
                overrides=order.override_params,
            )
            if _names_all_lfs_objects(progress):
                await named.note_whole(db, snapshot_id)
            if order.replaces:
                path = order.replaces.rpartition("/")[2]
                await content.take_place(db, job.project_id, path=path, user_id=job.user_id)
            if members and job.user_id is not None:
                await add_imported_members(db, job.project_id, members, user_id=job.user_id)
            await jobs.finish(db, lease, progress=progress.report(), outcome=outcome)

    async def explain(self, job: Job, error: CrossdockError) -> str:
        """Return the text of ``import_error`` in GitLab's form, which has two blanks instead of a URL."""
        path = (await content.project_content(self._pool, job.project_id)).full_path
        reason = _reason_elsewhere(error) if job.kind in _ELSEWHERE else _reason(error)
        return f"Error importing repository  into {path} - {reason}"


def _selection(job: Job) -> RelationSelection | None:
    return job.order.selection if isinstance(job.order, ImportOrder) else None


def _names_all_lfs_objects(progress: Progress) -> bool:
    """Tell whether the archive has LFS objects, and an index that names all, which no export has to read."""
    found = (progress.contents or {}).get("lfs_objects")
    return found is not None and found.came > 0 and not found.unannounced


def _of_archive(archive: OpenArchive) -> _Source:
    def events(reading: Reading) -> AsyncGenerator[ArchiveEvent, None]:
        return archive_events(
            archive,
            reading.limits,
            budget=reading.budget,
            progress=reading.progress,
            yielder=reading.yielder,
        )

    return _Source(events=events, verifiers=verifier_of, size=archive.size, outcome=lambda: archive.outcome)


def _reason_elsewhere(error: CrossdockError) -> str:
    return f"Import url is blocked: {error}" if isinstance(error, BlockedUrl) else error.shown


def _reason(error: CrossdockError) -> str:
    """Return GitLab's text for the error, if GitLab has one."""
    if isinstance(error, ArchiveTooLarge):
        return f"Decompressed archive size validation failed. ({error})"
    if isinstance(error, StatusRefused):
        told = f": {error.reason}" if error.reason else ""
        return f"unsupported response downloading fragment {error.status}{told}"
    if isinstance(error, BlockedUrl):
        return f"File url is blocked: {error}"
    return error.shown
