"""Use cases of relation exports: asking for them, and how they stand, which is finished at once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta

import msgspec

from services.api.http.errors import NotFound, Refused
from services.api.http.parameters import Checker
from services.api.http.responses import timestamp
from shared.accounts.models import User
from shared.assembly.relations import count_files
from shared.database.pool import Database, Pool
from shared.exports import relation_exports
from shared.exports.relation_exports import RelationExport
from shared.gitlab.portable_relations import PORTABLE_RELATIONS, Form, PortableRelation
from shared.projects import store
from shared.projects.models import Project
from shared.snapshots import index
from shared.snapshots.batches import lines_of_batches

_FINISHED = 1


async def request_export(
    pool: Pool, caller: User, project: Project, *, batched: bool, retention: timedelta
) -> None:
    """Export what the project has now, for the caller. Raises 404 where the project is gone."""
    async with pool.acquire() as db, db.transaction():
        if not await store.lock(db, project.id):
            raise NotFound("Project")
        await relation_exports.keep_newest(
            db, project_id=project.id, user_id=caller.id, batched=batched, retention=retention
        )


async def require_export(db: Database, caller: User, project: Project) -> RelationExport:
    """Find the caller's export. Raises 404; another user's is as good as none."""
    export = await relation_exports.find(db, project_id=project.id, user_id=caller.id)
    if export is None:
        raise Refused(404, "Export not found")
    return export


def read_wanted(given: Mapping[str, object]) -> str | None:
    """Read which relation's status is asked for; None for all of them. Raises 400."""
    checker = Checker(given)
    name = checker.text("relation")
    checker.finish()
    return name


async def statuses(db: Database, export: RelationExport) -> AsyncGenerator[bytes, None]:
    """Give the encoded status of every relation, one at a time, as one may have many batches."""
    for relation in PORTABLE_RELATIONS.values():
        yield msgspec.json.encode(await status(db, export, relation.name))


async def status(db: Database, export: RelationExport, name: str) -> dict[str, object]:
    """Make the status of a relation. Raises 404 where there is none of that name."""
    relation = PORTABLE_RELATIONS.get(name)
    if relation is None:
        raise Refused(404, "Export not found")
    counts = await _counts(db, export, relation)
    batched = export.batched and relation.batchable
    entity = {
        "relation": name,
        "status": _FINISHED,
        "error": None,
        "updated_at": timestamp(export.created_at),
        "batched": batched,
        "batches_count": len(counts) if batched else 0,
        "total_objects_count": sum(counts),
    }
    return entity | {"batches": _batches(export, counts)} if batched else entity


async def _counts(db: Database, export: RelationExport, relation: PortableRelation) -> list[int]:
    """Count the objects of every batch; what is not batched is in one."""
    if relation.form is Form.DOCUMENT:
        return [1]
    if export.snapshot_id is None:
        return [0]
    if relation.form is Form.ARCHIVE:
        return [await count_files(db, export.snapshot_id, relation.name)]
    if export.batched and relation.batchable:
        return await lines_of_batches(db, export.snapshot_id, relation.entry)
    placed = await index.find(db, export.snapshot_id, relation.entry)
    return [placed.entry.lines if placed else 0]


def _batches(export: RelationExport, counts: list[int]) -> list[dict[str, object]]:
    updated_at = timestamp(export.created_at)
    return [
        {"status": _FINISHED, "batch_number": number, "objects_count": count, "error": None,
         "updated_at": updated_at}
        for number, count in enumerate(counts, start=1)
    ]  # fmt: skip
