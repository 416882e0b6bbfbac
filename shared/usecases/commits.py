"""Commits: an open snapshot becomes the content of its project, if it makes a valid archive."""

from __future__ import annotations

import asyncio

from shared.accounts.models import AccessLevel
from shared.admission import Holder
from shared.assembly.blocks import BlockReader
from shared.assembly.project import load
from shared.database.pool import Connection, Pool
from shared.database.transactions import transaction
from shared.errors import ArchiveError
from shared.gitlab.features import ProjectFeatures
from shared.gitlab.layout import LFS_INDEX, PROJECT, FileKind, folder_of, oid_of
from shared.gitlab.lfs import listed_oids
from shared.projects import content
from shared.pushes import store as pushes
from shared.pushes.store import Push, PushGone, PushMoving
from shared.records.features import read_features
from shared.snapshots import lookups
from shared.snapshots.errors import SnapshotGone
from shared.snapshots.models import EntryKind, PlacedEntry
from shared.storage.base import ObjectStore
from shared.usecases.documents import Documents
from shared.usecases.errors import ImportUnfinished
from shared.usecases.relation_imports import is_importing


class ProjectAttributesMissing(ArchiveError):
    """The snapshot has no attributes of the project, which every archive needs: send them first."""

    code = "no_project_attributes"

    def __init__(self) -> None:
        super().__init__(f"the snapshot has no attributes of the project ({PROJECT} is missing)")


class LfsObjectUnlisted(ArchiveError):
    """The list of LFS objects lacks one of the snapshot's objects; GitLab rejects such an archive."""

    code = "lfs_object_unlisted"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not listed in {LFS_INDEX}")


class Commits:
    """Commits open snapshots. ``documents`` limits how many requests hold a whole document in memory."""

    def __init__(self, pool: Pool, store: ObjectStore, *, blocks: BlockReader, documents: Documents) -> None:
        self._pool = pool
        self._store = store
        self._blocks = blocks
        self._documents = documents

    async def commit(self, push: Push, *, level: AccessLevel, force: bool, holder: Holder) -> Push:
        """Commit a snapshot, and in the same transaction the attributes of the project that it contains.

        ``level`` is the user's access level: only owners change the visibility. ``holder`` takes the place of
        a document. May be repeated.

        Raises ArchiveError for content that makes no valid archive, ImportUnfinished, and the errors of
        ``pushes.commit`` and of ``Documents``.
        """
        features = ProjectFeatures() if push.committed_at else await self._check(push, holder)
        async with transaction(self._pool) as db:
            if await pushes.commit(db, push, features=features, force=force):
                # The project's row is locked: a retry of an import locks it too, before it looks for content.
                if await is_importing(db, push.project_id):
                    raise ImportUnfinished
                if push.attributes is not None:
                    await _apply(db, push, level=level)
            committed = await pushes.find(db, push.project_id, push.id)
        if committed is None:
            raise PushGone(push.id)
        return committed

    async def _check(self, push: Push, holder: Holder) -> ProjectFeatures:
        """Check the content, and return the project's features that it contains."""
        if await lookups.find_entry(self._pool, push.id, PROJECT) is None:
            raise ProjectAttributesMissing
        listing = await lookups.find_entry(self._pool, push.id, LFS_INDEX)
        if listing is not None:
            async with self._documents.hold(holder):
                await self._refuse_unlisted(push, listing)
        try:
            return await read_features(self._pool, self._store, push.id)
        except SnapshotGone:  # the record was replaced while it was read
            raise PushMoving(push.id) from None

    async def _refuse_unlisted(self, push: Push, listing: PlacedEntry) -> None:
        document = await load(self._blocks, listing)
        listed = await asyncio.to_thread(listed_oids, document)
        async for placed in lookups.read_entries(self._pool, push.id, folder=folder_of(FileKind.LFS_OBJECT)):
            name = placed.entry.name
            if placed.entry.kind is EntryKind.BLOB and oid_of(name).encode() not in listed:
                raise LfsObjectUnlisted(name)


async def _apply(db: Connection, push: Push, *, level: AccessLevel) -> None:
    """Set the attributes of the project, and drop earlier overrides. Only owners change the visibility."""
    assert push.attributes is not None  # noqa: S101  # the caller has checked it
    is_owner = level >= AccessLevel.OWNER
    await content.forget_attributes(
        db, push.project_id, but=("archived",) if is_owner else ("archived", "visibility")
    )
    description, visibility = push.attributes["description"], push.attributes["visibility_level"]
    await content.apply_attributes(
        db,
        push.project_id,
        description=description if isinstance(description, str) else None,
        visibility=visibility if is_owner and isinstance(visibility, int) else None,
        overrides={},
    )
