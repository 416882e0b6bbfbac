"""Relation exports, which GitLab's direct transfer fetches: requests, status and files."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from shared.accounts.models import User
from shared.assembly.blocks import BlockReader
from shared.assembly.relations import count_files
from shared.database.pool import Database, Pool
from shared.database.transactions import transaction
from shared.exports import relation_exports
from shared.exports.downloads import FileDownload
from shared.exports.relation_exports import RelationExport
from shared.gitlab.portable_relations import PORTABLE_RELATIONS, Form, PortableRelation
from shared.projects import store
from shared.snapshots import lookups
from shared.snapshots.batches import lines_of_batches
from shared.storage.base import ObjectStore
from shared.usecases.access import find_maintained_project, require_user
from shared.usecases.errors import NotFound, RelationExportMissing, RelationExportsDisabled
from shared.usecases.exports import ExportableProject, Wanted
from shared.usecases.relation_files import RelationFiles, RelationRequest
from shared.usecases.settings import InstanceSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationStatus:
    """An exported relation, and the number of objects in each batch or, without batches, in all."""

    relation: str
    batched: bool
    counts: list[int]
    updated_at: datetime


class RelationExports:
    """Makes relation exports. They need no job, as an export refers to the project's snapshot."""

    def __init__(
        self, pool: Pool, store: ObjectStore, *, blocks: BlockReader, settings: InstanceSettings
    ) -> None:
        self._pool = pool
        self._files = RelationFiles(pool, store, blocks)
        self._settings = settings

    async def find_exportable(self, actor: User | None, reference: str) -> ExportableProject:
        """Return a project, if the user may export its relations. Call this before the request is parsed.

        Raises RelationExportsDisabled, NotFound, MovedProject and Denied, in this order.
        """
        settings = await self._settings.current()
        if not settings.bulk_import_enabled:
            raise RelationExportsDisabled
        project = await find_maintained_project(self._pool, actor, reference)
        return ExportableProject(project, require_user(actor), settings)

    async def schedule(self, exportable: ExportableProject, *, batched: bool) -> None:
        """Export the current content of the project for the user. Raises NotFound."""
        async with transaction(self._pool) as db:
            if not await store.lock(db, exportable.project.id):
                raise NotFound("Project")
            await relation_exports.keep_newest(
                db, project_id=exportable.project.id, user_id=exportable.user.id,
                batched=batched, retention=exportable.settings.retention,
            )  # fmt: skip

    async def status(self, exportable: ExportableProject, relation: str) -> RelationStatus:
        """Return the status of one relation. Raises RelationExportMissing."""
        return await self._status(await self._export(exportable), relation)

    async def list_statuses(
        self, exportable: ExportableProject
    ) -> AsyncGenerator[RelationStatus, None] | None:
        """Return a generator of the status of every relation; None if there is no export."""
        export = await self._find(exportable)
        return None if export is None else self._statuses(export)

    @asynccontextmanager
    async def download(
        self, exportable: ExportableProject, file: RelationRequest, *, wanted: Wanted
    ) -> AsyncIterator[FileDownload]:
        """Yield the file of a relation or of a batch, which can be read within the block.

        Raises RelationExportMissing, RelationExportInvalid and FileLost.
        """
        export = await self._export(exportable)
        async with self._files.download(export, file, wanted=wanted) as opened:
            yield opened

    async def _find(self, exportable: ExportableProject) -> RelationExport | None:
        """Return the user's own export of the project; None if there is none."""
        return await relation_exports.find(
            self._pool, project_id=exportable.project.id, user_id=exportable.user.id
        )

    async def _export(self, exportable: ExportableProject) -> RelationExport:
        export = await self._find(exportable)
        if export is None:
            raise RelationExportMissing("Export not found")
        return export

    async def _statuses(self, export: RelationExport) -> AsyncGenerator[RelationStatus, None]:
        for relation in PORTABLE_RELATIONS.values():
            yield await self._status(export, relation.name)

    async def _status(self, export: RelationExport, name: str) -> RelationStatus:
        relation = PORTABLE_RELATIONS.get(name)
        if relation is None:
            raise RelationExportMissing("Export not found")
        return RelationStatus(
            relation=name,
            batched=export.batched and relation.batchable,
            counts=await _counts(self._pool, export, relation),
            updated_at=export.created_at,
        )


async def _counts(db: Database, export: RelationExport, relation: PortableRelation) -> list[int]:
    """Return the number of objects in each batch; without batches, one number."""
    if relation.form is Form.DOCUMENT:
        return [1]
    if export.snapshot_id is None:
        return [0]
    if relation.form is Form.ARCHIVE:
        return [await count_files(db, export.snapshot_id, relation.name)]
    if export.batched and relation.batchable:
        return await lines_of_batches(db, export.snapshot_id, relation.entry)
    placed = await lookups.find_entry(db, export.snapshot_id, relation.entry)
    return [placed.entry.lines if placed else 0]
