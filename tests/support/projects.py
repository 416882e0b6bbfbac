"""Small archives in pieces, and imports and exports of them in this process."""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from struct import pack
from typing import Any

from services.exporter.composer import ArchiveComposer
from services.exporter.exporter import Exporter
from services.exporter.peer_export import PeerExporter
from services.exporter.project_planner import ProjectPlanner
from services.exporter.upload import Uploader
from services.importer.importer import Importer
from services.importer.relation_importer import RelationImporter
from shared.archive.limits import Limits
from shared.assembly.blocks import BlockReader, make_block_reader
from shared.database.pool import Pool
from shared.errors import CrossdockError
from shared.exports import archives
from shared.exports.archive_reader import ArchiveReader
from shared.exports.archives import FinishedArchive
from shared.github_import.opener import GitHubOpener
from shared.gitlab.relation_selection import RelationSelection
from shared.jobs import store as jobs
from shared.jobs.failed_relations import FailedRelation, list_in_order
from shared.jobs.models import (
    ExportOrder,
    ImportOrder,
    Job,
    JobOrder,
    Lease,
    RelationImportOrder,
    UploadTarget,
)
from shared.jobs.progress import Progress
from shared.ledger import objects
from shared.ledger.collector import Collector
from shared.metrics.blocks import BlockMetrics
from shared.outbound.policy import outbound_policy
from shared.outbound.remote_imports import RemoteImportPolicy
from shared.peer_transfers.opener import PeerOpener
from shared.remote.client import RemoteClient
from shared.remote.resolver import SystemResolver
from shared.restore.git_events import RepositoryOpener
from shared.restore.sources import ArchiveOpener
from shared.settings.application import ApplicationSettings
from shared.storage.base import ObjectStore
from shared.storage.filesystem import FilesystemStore
from tests.support.archives import file, packed
from tests.support.jobs import claimed

Files = Sequence[tuple[str, bytes]]

VERSION = ("VERSION", b"0.2.4")
PROJECT = ("tree/project.json", b"{}")
BASE_URL = "https://dock.example"
MINIMAL: Files = (VERSION, PROJECT)


def archive(files: Files) -> bytes:
    """An archive of these files and directories, in this order; nothing else is in it."""
    return packed(*(file(name, data) for name, data in files))


def project(*more: tuple[str, bytes], **relations: bytes) -> bytes:
    """An archive that is a project, with more files, and with relations by their names."""
    named = [(f"tree/project/{name}.ndjson", data) for name, data in relations.items()]
    return archive([*MINIMAL, *more, *named])


def bundle(data: bytes = b"") -> bytes:
    """A git bundle whose checksum holds; a reference, and one object, ``data``, which is none."""
    body = pack(">4sII", b"PACK", 2, 1) + data
    return b"# v2 git bundle\n" + b"0" * 40 + b" HEAD\n\n" + body + hashlib.sha1(body).digest()  # noqa: S324  # git's


def members(packed: bytes) -> list[tarfile.TarInfo]:
    """Everything in an archive, in its order, as Python's tarfile sees it."""
    with tarfile.open(fileobj=BytesIO(packed), mode="r:gz") as tar:
        return tar.getmembers()


def files(packed: bytes) -> dict[str, bytes]:
    """The files of an archive in their order, names without ``./``; those of directories end with ``/``."""
    found = {}
    with tarfile.open(fileobj=BytesIO(packed), mode="r:gz") as tar:
        for member in tar:
            data = tar.extractfile(member)
            found[member.name.removeprefix("./") + ("" if data else "/")] = data.read() if data else b""
    return found


@dataclass(frozen=True, slots=True)
class Imported:
    """A job that was run once; ``error`` is what its user reads, where it failed."""

    job: Job
    progress: Progress
    error: str | None


class Dock:
    """An importer and an exporter over one database and one store; runs jobs as a worker would."""

    def __init__(self, pool: Pool, root: Path) -> None:
        self.pool = pool
        self.store: ObjectStore = FilesystemStore(root)
        self.root = root
        self.limits = Limits()
        self.packed_up_to = 1024
        self.composes_archives = False
        self.settings = ApplicationSettings()
        self.remote = RemoteImportPolicy()

    async def limits_now(self) -> Limits:
        """The limits as they are now."""
        return self.limits

    @property
    def importer(self) -> Importer:
        """An importer with the limits as they are now."""
        return Importer(
            self.pool,
            self.store,
            sources=self._sources,
            repositories=RepositoryOpener(
                self.pool, remote=self.remote, defaults=self.settings, packed_up_to=self.packed_up_to
            ),
            hubs=GitHubOpener(
                self.pool,
                remote=self.remote,
                defaults=self.settings,
                limits=self.limits_now,
                packed_up_to=self.packed_up_to,
                base_url=BASE_URL,
            ),
            peers=PeerOpener(self.pool, remote=self.remote, defaults=self.settings),
            limits=self.limits_now,
            packed_up_to=self.packed_up_to,
        )

    @property
    def relation_importer(self) -> RelationImporter:
        """An importer of single relations with the limits as they are now."""
        return RelationImporter(self.pool, self.store, sources=self._sources, limits=self.limits_now)

    @property
    def _sources(self) -> ArchiveOpener:
        return ArchiveOpener(self.pool, self.store, remote=self.remote, defaults=self.settings)

    @property
    def exporter(self) -> Exporter:
        """An exporter with the settings as they are now, and nobody whom it would wake."""
        return Exporter(
            self.pool, self.store, blocks=self.blocks, settings=self._now, announce=self._wake_nobody,
            composer=ArchiveComposer(self.pool, self.store) if self.composes_archives else None,
        )  # fmt: skip

    @property
    def blocks(self) -> BlockReader:
        """A reader that checks what it reads."""
        return make_block_reader(self.pool, self.store, BlockMetrics())

    @property
    def uploader(self) -> Uploader:
        """An uploader with the settings as they are now."""
        return Uploader(self.pool, ArchiveReader(self.pool, self.blocks), self._connect)

    @property
    def peer_exporter(self) -> PeerExporter:
        """What sends projects to peers, with the settings as they are now."""
        return PeerExporter(
            self.pool,
            ProjectPlanner(self.pool, self.store, self.blocks),
            ArchiveReader(self.pool, self.blocks),
            remote=self.remote,
            defaults=self.settings,
        )

    async def _wake_nobody(self, job: Job) -> None:
        """The tests claim each job themselves."""

    async def _now(self) -> ApplicationSettings:
        return self.settings

    async def _connect(self) -> RemoteClient:
        return RemoteClient(outbound_policy(self.settings), SystemResolver())

    async def order_import(
        self, packed: bytes, *, project_id: int = 1, user_id: int = 1, small: int = 0, **order: Any
    ) -> Job:
        """Upload and enqueue; the import is a small one where the archive has at most ``small`` bytes."""
        made = ImportOrder(**order)
        return await self._order(packed, made, project_id=project_id, user_id=user_id, small=small)

    async def order_relation(self, packed: bytes, relation: str = "issues") -> Job:
        """Upload and enqueue the import of one relation."""
        return await self._order(packed, RelationImportOrder(relation=relation))

    async def _order(
        self, packed: bytes, order: JobOrder, *, project_id: int = 1, user_id: int = 1, small: int = 0
    ) -> Job:
        upload = await objects.register(self.pool, kind="upload")
        async with self.store.create(upload.key) as writer:
            await writer.write(packed)
            size = await writer.commit()
        await objects.record_stored(self.pool, upload.id, size=size, sha256=None)
        return await jobs.enqueue(
            self.pool, order, project_id=project_id, user_id=user_id, correlation_id="c",
            object_id=upload.id, small=small,
        )  # fmt: skip

    async def run_import(self, packed: bytes, **order: Any) -> Imported:
        """Import to the end, whichever it is."""
        return await self.attempt(await self.order_import(packed, **order))

    async def run_relation(self, packed: bytes, relation: str = "issues") -> Imported:
        """Import one relation to the end, whichever it is."""
        return await self.attempt(await self.order_relation(packed, relation))

    async def attempt(self, job: Job) -> Imported:
        """Run an import once, as a worker does."""
        lease = await claimed(self.pool, job)
        progress = Progress()
        importer: Importer | RelationImporter = self.importer
        if isinstance(job.order, RelationImportOrder):
            importer = self.relation_importer
        error = None
        try:
            await importer.run(job, lease, progress)
        except CrossdockError as failed:
            error = await importer.explain(job, failed)
            await jobs.fail(self.pool, lease, code="storage", error=error)
        found = await jobs.find(self.pool, job.id)
        assert found is not None
        return Imported(found, progress, error)

    async def failures(self, imported: Imported) -> list[FailedRelation]:
        """What the import left out, in the order in which it was found."""
        return await list_in_order(self.pool, imported.job, after=0, limit=200_000)

    async def order_export(
        self,
        *,
        project_id: int = 1,
        user_id: int = 1,
        description: str | None = None,
        upload: UploadTarget | None = None,
        selection: RelationSelection | None = None,
    ) -> Job:
        """Enqueue."""
        order = ExportOrder(description=description, upload=upload, selection=selection)
        return await jobs.enqueue(
            self.pool, order, project_id=project_id, user_id=user_id, correlation_id="c"
        )

    async def run_export(
        self,
        *,
        project_id: int = 1,
        user_id: int = 1,
        description: str | None = None,
        selection: RelationSelection | None = None,
    ) -> bytes:
        """Export to the end, and give the archive."""
        job = await self.order_export(
            project_id=project_id, user_id=user_id, description=description, selection=selection
        )
        return await self.exported(job, await claimed(self.pool, job))

    async def exported(self, job: Job, lease: Lease) -> bytes:
        """Run an export that is claimed, and give the archive."""
        await self.exporter.run(job, lease, Progress())
        found = await archives.find_by_job(self.pool, job.id)
        assert found is not None
        return await self.archive(found)

    async def archive(self, found: FinishedArchive, start: int = 0, length: int | None = None) -> bytes:
        """Read an archive, or a part of it."""
        length = found.size - start if length is None else length
        pieces = ArchiveReader(self.pool, self.blocks).read(found, start, length)
        return b"".join([piece async for piece in pieces])

    async def round_trip(self, packed: bytes, **order: Any) -> dict[str, bytes]:
        """Import and export; the files that come out."""
        assert (await self.run_import(packed, **order)).error is None
        return files(await self.run_export())

    async def add_project(self, path: str) -> int:
        """Another project of the namespace of the first."""
        number: int = await self.pool.fetchval(
            "INSERT INTO projects (namespace_id, path, name) VALUES (1, $1, $1) RETURNING id", path
        )
        return number

    async def snapshots(self) -> list[int]:
        """Every snapshot that has a row."""
        return [row["id"] for row in await self.pool.fetch("SELECT id FROM snapshots ORDER BY id")]

    async def collect(self) -> None:
        """Collect garbage without any grace, as if the jobs that have ended had done so a day ago."""
        await self.pool.execute("UPDATE jobs SET finished_at = finished_at - interval '1 day'")
        collector = Collector(self.pool, self.store, grace=timedelta(0))
        await collector.remove_expired_archives()
        await collector.collect_snapshots()
        while await collector.collect_objects():
            pass

    def stored(self, kind: str = "") -> list[str]:
        """The keys of all objects whose key begins so."""
        found = (os.path.relpath(path, self.root) for path in self.root.rglob("*") if path.is_file())
        return sorted(key for key in found if key.startswith(kind))


def ndjson(*records: bytes) -> bytes:
    """Lines, each with its newline."""
    return b"".join(record + b"\n" for record in records)
