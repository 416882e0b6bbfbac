"""Sends the archive of a project to a bucket, for the run of a schedule, as `crossdock restore` reads it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, fields

import structlog

from services.exporter.exporter import UserGone
from services.exporter.project_planner import ProjectPlan, ProjectPlanner
from shared.age.keys import parse_recipients
from shared.catalogue.archives import Encryption, manifest_key, put, signature_key, write_record
from shared.catalogue.objects import Stored, create_object
from shared.database.pool import Connection, Pool
from shared.destinations import store as destinations
from shared.destinations.bucket_errors import at_bucket, is_there
from shared.destinations.buckets import Buckets
from shared.destinations.models import BucketCredentials, BucketSettings, Destination
from shared.destinations.sealed_credentials import CredentialSealer
from shared.errors import CrossdockError, Fault
from shared.exports.archive_reader import ArchiveReader
from shared.exports.digests import hash_beside
from shared.gitlab.relation_selection import RelationSelection
from shared.jobs import store as jobs
from shared.jobs.models import ArchiveOutcome, BackupOrder, Job, Lease, Outcome
from shared.jobs.progress import Phase, Progress
from shared.manifest.format import signed_text
from shared.schedules import backups, runs, store
from shared.schedules.backups import Backup, ReservedName, SentArchive
from shared.schedules.models import ProjectState
from shared.sealing.sealer import Sealer
from shared.signing.signer import Signer
from shared.snapshots import lifecycle
from shared.snapshots.contents import read_manifest
from shared.snapshots.reading import keep_for_reading
from shared.storage.base import ObjectStore

_log = structlog.get_logger()


class RunGone(CrossdockError):
    """The schedule of the backup was deleted, with its runs."""

    code = "run_gone"
    fault = Fault.CLIENT

    def __init__(self) -> None:
        super().__init__("the schedule was deleted while its run was under way")


class ManifestChanged(CrossdockError):
    """The manifest of the archive is not the one that was planned: a bug."""

    code = "manifest_changed"

    def __init__(self) -> None:
        super().__init__("the manifest of the archive is not the one that was planned")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """The row of a run that a job is for, what of the project it takes, and the bucket that it sends to."""

    run_project_id: int
    order: BackupOrder
    schedule_id: int
    destination: Destination
    settings: BucketSettings
    relations: RelationSelection | None


class BackupWork:
    """Sends archives. Memory: what an open bucket holds, and a piece of the archive.

    ``source`` is the address of this server in records; manifests are signed by ``signer``, if there is one.
    """

    def __init__(
        self,
        pool: Pool,
        planner: ProjectPlanner,
        reader: ArchiveReader,
        buckets: Buckets,
        *,
        sealer: Sealer,
        signer: Signer | None,
        source: str,
    ) -> None:
        self._pool = pool
        self._planner = planner
        self._reader = reader
        self._buckets = buckets
        self._sealer = CredentialSealer(sealer)
        self._signer = signer
        self._source = source

    async def run(self, job: Job, lease: Lease, progress: Progress) -> None:
        """Send the archive, and mark the job finished. May be repeated: it has the same name and bytes.

        An archive counts once its record is there, which goes last. Raises RunGone, UserGone, BucketRefused,
        BucketUnavailable, BlockedUrl, and what stops an export.
        """
        if job.user_id is None:
            raise UserGone
        target = await self._find(job)
        credentials = self._sealer.open(target.destination)
        assert isinstance(credentials, BucketCredentials)  # noqa: S101  # of a bucket, as its settings are
        async with (
            self._planner.plan(job, lease, progress, selection=target.relations) as plan,
            keep_for_reading(self._pool, plan.archive.snapshot_id),
            self._buckets.open(target.settings, credentials) as bucket,
        ):
            last = await self._find_unchanged(bucket, plan, target, job)
            if last is None:
                await self._send(bucket, plan, target, job, lease=lease, progress=progress)
            else:
                await self._skip(last, target, lease, progress)

    async def _find(self, job: Job) -> _Target:
        assert isinstance(job.order, BackupOrder)  # noqa: S101  # this worker claims no other kind
        project = await runs.find_project(self._pool, job.order.run_project_id)
        run = None if project is None else await runs.find(self._pool, project.run_id)
        schedule = None if run is None else await store.find(self._pool, run.schedule_id)
        if schedule is None:
            raise RunGone
        destination = await destinations.find(self._pool, schedule.order.destination_id)
        if destination is None or not isinstance(destination.settings, BucketSettings):
            raise RunGone
        return _Target(
            run_project_id=job.order.run_project_id,
            order=job.order,
            schedule_id=schedule.id,
            destination=destination,
            settings=destination.settings,
            relations=schedule.order.relations,
        )

    async def _find_unchanged(
        self, bucket: ObjectStore, plan: ProjectPlan, target: _Target, job: Job
    ) -> Backup | None:
        """Find the newest archive, where it has the same files under the same path and is still there."""
        last = await backups.find_newest(
            self._pool,
            target.schedule_id,
            destination_id=target.destination.id,
            project_id=job.project_id,
        )
        digest = plan.archive.manifest_sha256
        if last is None or digest is None or last.path != plan.content.full_path:
            return None
        if last.relations != target.relations or last.recipients != target.settings.recipients:
            return None
        same = last.manifest_sha256 == digest and await is_there(bucket, last.file, last.stored_size)
        return last if same else None

    async def _skip(self, last: Backup, target: _Target, lease: Lease, progress: Progress) -> None:
        progress.bytes_done = progress.planned_bytes = 0
        async with self._pool.acquire() as db, db.transaction():
            await jobs.hold(db, lease)
            await backups.note_unchanged(db, last.id, target.order.last_activity_at)
            await runs.end_project(
                db, target.run_project_id, ProjectState.SKIPPED, why="unchanged", file=last.file
            )
            await jobs.finish(db, lease, progress=progress.report())

    async def _send(
        self,
        bucket: ObjectStore,
        plan: ProjectPlan,
        target: _Target,
        job: Job,
        *,
        lease: Lease,
        progress: Progress,
    ) -> None:
        name = await self._reserve(plan, target, job, lease)
        progress.begin(Phase.UPLOADING)
        progress.bytes_done = progress.planned_bytes = 0
        sha256, stored = await self._send_archive(bucket, plan, name, progress)
        manifest, stored_manifest = await self._send_manifest(bucket, plan, name)
        signature = await self._sign(bucket, manifest, name.file)
        progress.begin(Phase.COMMITTING)
        sent = SentArchive(
            size=plan.archive.size,
            sha256=sha256,
            manifest_sha256=manifest,
            signature=signature,
            relations=target.relations,
            encryption=_encryption(name, stored, stored_manifest),
        )
        with at_bucket():
            await write_record(bucket, _backup(plan, name, sent, target, job).record(self._source))
        async with self._pool.acquire() as db, db.transaction():
            await jobs.hold(db, lease)
            await self._record(db, target, sent, plan, lease=lease, progress=progress)
        _log.info("backup_sent", file=name.file, size=sent.size, sha256=sha256.hex())

    async def _record(
        self,
        db: Connection,
        target: _Target,
        sent: SentArchive,
        plan: ProjectPlan,
        *,
        lease: Lease,
        progress: Progress,
    ) -> None:
        await backups.record_sent(db, target.run_project_id, sent)
        if plan.made is not None:
            await lifecycle.name_exported(db, lease.job_id, plan.made)
        archive = ArchiveOutcome(size=sent.size, sha256=sent.sha256.hex())
        await jobs.finish(db, lease, progress=progress.report(), outcome=Outcome(archive=archive))

    async def _reserve(self, plan: ProjectPlan, target: _Target, job: Job, lease: Lease) -> ReservedName:
        async with self._pool.acquire() as db, db.transaction():
            await jobs.hold(db, lease)
            return await backups.reserve_name(
                db,
                run_project_id=target.run_project_id,
                project_id=job.project_id,
                path=plan.content.full_path,
                source=self._source,
                time=job.started_at or job.created_at,
                last_activity_at=target.order.last_activity_at,
                recipients=target.settings.recipients,
            )

    async def _send_archive(
        self, bucket: ObjectStore, plan: ProjectPlan, name: ReservedName, progress: Progress
    ) -> tuple[bytes, Stored]:
        """Send the bytes of the archive, part by part; give their SHA-256, and what is stored."""
        digests: list[bytes] = []

        async def note(digest: bytes) -> None:
            digests.append(digest)

        def count(size: int) -> None:
            progress.bytes_done += size

        with at_bucket():
            await bucket.abort_uploads_of(name.file)  # of an attempt before, whose exporter has died
        reading = hash_beside(self._reader.read_plan(plan.archive), plan.archive.size, record=note)
        stored = await _put_pieces(bucket, name.file, reading, name.recipients, count=count)
        return digests[0], stored

    async def _send_manifest(
        self, bucket: ObjectStore, plan: ProjectPlan, name: ReservedName
    ) -> tuple[bytes, Stored]:
        """Send the manifest, encrypted where the archive is; give its digest, and what is stored."""
        digest, planned = hashlib.sha256(), plan.archive

        async def hashed() -> AsyncGenerator[bytes, None]:
            manifest = read_manifest(self._pool, planned.snapshot_id, planned.documents or ())
            async with aclosing(manifest) as pieces:
                async for piece in pieces:
                    digest.update(piece)
                    yield piece
            if planned.manifest_sha256 not in (None, digest.digest()):
                raise ManifestChanged

        stored = await _put_pieces(bucket, manifest_key(name.file), hashed(), name.recipients)
        return digest.digest(), stored

    async def _sign(self, bucket: ObjectStore, manifest: bytes, archive: str) -> bytes | None:
        """Send the signature of the manifest, where there is a key, and give it."""
        if self._signer is None:
            return None
        signature = self._signer.sign(signed_text(manifest))
        with at_bucket():
            await put(bucket, signature_key(archive), signature)
        return signature

    async def explain(self, job: Job, error: CrossdockError) -> str:  # noqa: ARG002  # the port's
        """Return what users are told of the error, which has what the bucket's server said."""
        return error.shown


def _ignore(_: int) -> None:
    """Nobody counts the bytes."""


async def _put_pieces(
    bucket: ObjectStore,
    key: str,
    pieces: AsyncGenerator[bytes, None],
    recipients: Sequence[str],
    *,
    count: Callable[[int], None] = _ignore,
) -> Stored:
    """Write an object, encrypted where there are recipients; it is there once all of it is."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(aclosing(pieces))
        with at_bucket():
            opened = create_object(bucket, key, parse_recipients(recipients))
            writer = await stack.enter_async_context(opened)
        async for piece in pieces:
            with at_bucket():
                await writer.write(piece)
            count(len(piece))
        with at_bucket():
            return await writer.commit()


def _encryption(name: ReservedName, archive: Stored, manifest: Stored) -> Encryption | None:
    if not name.recipients:
        return None
    return Encryption(
        recipients=name.recipients, bytes=archive.bytes, sha256=archive.sha256, manifest=manifest.sha256
    )


def _backup(plan: ProjectPlan, name: ReservedName, sent: SentArchive, target: _Target, job: Job) -> Backup:
    return Backup(
        id=0,
        project_id=job.project_id,
        path=plan.content.full_path,
        file=name.file,
        made_at=name.time,
        last_activity_at=target.order.last_activity_at,
        **{each.name: getattr(sent, each.name) for each in fields(sent)},
    )
