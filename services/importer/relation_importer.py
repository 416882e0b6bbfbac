"""Imports one relation into an existing project: keeps its records and adds the new ones."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from shared.archive.budget import Budget
from shared.archive.errors import DuplicateName
from shared.archive.events import (
    ArchiveEvent,
    EntryData,
    EntryEnded,
    EntryStarted,
    EntryWithdrawn,
    TarEntryKind,
)
from shared.archive.limits import Limits
from shared.database.pool import Pool
from shared.errors import CrossdockError
from shared.gitlab.iids import Iids
from shared.gitlab.layout import relation_file, relation_of
from shared.gitlab.record_check import iid_of
from shared.jobs import store as jobs
from shared.jobs.models import Job, Lease, RelationImportOrder
from shared.jobs.progress import Phase, Progress, RelationProgress
from shared.records.features import read_features
from shared.records.reader import find_relation, whole_relation
from shared.restore.archive_events import archive_events
from shared.restore.event_loop import EventLoopYielder
from shared.restore.failure_writer import FailureWriter
from shared.restore.relations import RelationReceiver
from shared.restore.sources import ArchiveOpener, OpenArchive
from shared.settings.archive_limits import LimitsProvider
from shared.shielding import work_through
from shared.snapshots import appending, lifecycle, quarantine
from shared.snapshots.contents import make_manifest_digest
from shared.snapshots.sinks import RelationSink
from shared.snapshots.writer import SnapshotWriter, write_snapshot
from shared.storage.base import ObjectStore


class RelationImporter:
    """Adds those records of one relation of an archive whose iids the project does not have.

    It writes the relation anew and shares all other content with the project's snapshot. It needs the memory
    of an import, and at most 16 MiB for known iids.
    """

    def __init__(
        self, pool: Pool, store: ObjectStore, *, sources: ArchiveOpener, limits: LimitsProvider
    ) -> None:
        self._pool = pool
        self._store = store
        self._sources = sources
        self._limits = limits

    async def run(self, job: Job, lease: Lease, progress: Progress) -> None:
        """Do the job and mark it finished. Raises the error that stopped it. May be repeated."""
        progress.begin(Phase.PREPARING)
        async with self._sources.open(job) as source:
            progress.bytes_total = source.size or 0
            await self._import(job, lease, progress, source=source)

    async def _import(self, job: Job, lease: Lease, progress: Progress, *, source: OpenArchive) -> None:
        order = job.order
        assert isinstance(order, RelationImportOrder)  # noqa: S101  # this worker claims no other kind
        base = await lifecycle.current(self._pool, job.project_id)
        failures = FailureWriter(self._pool, lease)
        async with write_snapshot(
            self._pool, self._store, lease, project_id=job.project_id, packed_up_to=0
        ) as writer:
            merge = _Merge(writer, order.relation, limits=await self._limits(), failures=failures)
            if base is not None:
                await appending.share(
                    self._pool, lease, base=base, snapshot_id=writer.snapshot_id, but=[merge.name]
                )
                await writer.share_body(base, but=[merge.name])
                await merge.keep(self._pool, self._store, base, progress=progress)
            progress.begin(Phase.READING)
            async with failures.flush_after():
                await merge.add(source, progress)
                progress.begin(Phase.WRITING)
                await writer.close()
            progress.begin(Phase.COMMITTING)
            await self._finish(job, lease, progress, base=base, writer=writer)

    async def _finish(
        self, job: Job, lease: Lease, progress: Progress, *, base: int | None, writer: SnapshotWriter
    ) -> None:
        snapshot_id = writer.snapshot_id
        features = await read_features(self._pool, self._store, snapshot_id)
        content_sha256 = await make_manifest_digest(self._pool, snapshot_id)
        async with self._pool.acquire() as db, db.transaction():
            await jobs.hold(db, lease)
            await quarantine.settle(db, snapshot_id)
            await lifecycle.commit_on_base(
                db,
                base=base,
                snapshot_id=snapshot_id,
                project_id=job.project_id,
                features=features,
                body=writer.body,
                content_sha256=content_sha256,
            )
            await jobs.finish(db, lease, progress=progress.report())

    async def explain(self, job: Job, error: CrossdockError) -> str:  # noqa: ARG002  # the port's
        """Return what users are told of the error: GitLab has no text for it."""
        return error.shown


class _Merge:
    """Writes the merged relation: the project's records first, then the new records of the archive."""

    def __init__(
        self, writer: SnapshotWriter, relation: str, *, limits: Limits, failures: FailureWriter
    ) -> None:
        self.name = relation_file(relation)
        self._relation = relation
        self._limits = limits
        self._budget = Budget(limits.prices)
        self._failures = failures
        self._known = Iids()
        self._writer = writer
        self._sink: RelationSink | None = None
        self._yielder = EventLoopYielder()

    def _is_new(self, record: bytes) -> bool:
        iid = iid_of(record, relation=self._relation)
        return iid is None or self._known.add(iid)

    async def keep(self, pool: Pool, store: ObjectStore, base: int, *, progress: Progress) -> None:
        """Copy the project's records."""
        relation = await find_relation(pool, base, self._relation)
        if relation is None:
            return
        self._sink = self._writer.relation(self.name, relation.placed.entry.mtime)
        async with aclosing(whole_relation(pool, store, relation)) as kept:
            async for line, is_record in kept:
                if is_record:
                    await work_through(line, self._is_new)
                # The last line of the project need not end with a newline, but others follow it now.
                whole = line if line.endswith(b"\n") else line + b"\n"
                await self._sink.write([whole], records=is_record)
                progress.other_bytes += len(line)
                await self._yielder.yield_if_due()

    async def add(self, source: OpenArchive, progress: Progress) -> None:
        """Add the new records of the archive. Its other files are skipped, but count for its limits."""
        events = archive_events(
            source, self._limits, budget=self._budget, progress=progress, yielder=self._yielder
        )
        async with aclosing(events):
            await self._merge_new(events, progress)
        if self._sink is not None:  # still open, as the archive has no such relation
            await self._sink.commit()

    async def _merge_new(self, events: AsyncGenerator[ArchiveEvent, None], progress: Progress) -> None:
        receiver: RelationReceiver | None = None
        async for event in events:
            match event:
                case EntryStarted(kind=TarEntryKind.FILE) if relation_of(event.name) == self._relation:
                    receiver = self._receiver(event, progress)
                case EntryWithdrawn(name) if relation_of(name) == self._relation:
                    raise DuplicateName(name, "its records are merged as they come")
                case EntryData(data) if receiver:
                    await receiver.write(data)
                case EntryEnded():
                    if receiver:
                        await receiver.close()
                    receiver = None
                    progress.entries += 1
            await self._yielder.yield_if_due()

    def _receiver(self, entry: EntryStarted, progress: Progress) -> RelationReceiver:
        sink, self._sink = self._sink or self._writer.relation(self.name, entry.mtime), None
        return RelationReceiver(
            self._relation,
            sink,
            limits=self._limits,
            budget=self._budget,
            failures=self._failures,
            count=progress.relations.setdefault(self._relation, RelationProgress()),
            yielder=self._yielder,
            predicate=self._is_new,
        )
