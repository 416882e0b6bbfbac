"""Use case of commits: an open snapshot becomes what its project has, if an archive can be made of it."""

from __future__ import annotations

import asyncio

from services.api.dependencies import Dependencies
from services.api.http.errors import Refused
from services.api.relation_imports import is_importing
from shared.accounts.models import AccessLevel
from shared.assembly.project import load
from shared.database.pool import Connection
from shared.errors import ArchiveError
from shared.gitlab.layout import LFS_INDEX, PROJECT, FileKind, folder_of, oid_of
from shared.gitlab.lfs import listed_oids
from shared.projects import content
from shared.pushes import store
from shared.pushes.store import Push, PushGone
from shared.snapshots import index
from shared.snapshots.models import EntryKind, PlacedEntry

_LFS_FOLDER = folder_of(FileKind.LFS_OBJECT)


class NothingOfTheProject(ArchiveError):
    """The snapshot lacks the project's own attributes, without which no import takes an archive."""

    code = "no_project_attributes"

    def __init__(self) -> None:
        super().__init__(f"the snapshot has no attributes of the project ({PROJECT} is missing)")


class ImportUnfinished(Refused):
    """409 as an import of the project is on its way, which would replace whatever is committed."""

    def __init__(self) -> None:
        super().__init__(409, "the import of the project has not ended")


class LfsObjectUnlisted(ArchiveError):
    """There is a list of LFS objects, and one is not on it: GitLab refuses such an archive as a whole."""

    code = "lfs_object_unlisted"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not listed in {LFS_INDEX}")


async def commit(dependencies: Dependencies, push: Push, *, level: AccessLevel, force: bool) -> Push:
    """Commit it, at once with what was sent of the project's attributes, for a caller of that level.

    May be repeated. Raises ArchiveError for content of which no archive can be made, ImportUnfinished, and
    what ``pushes.commit`` raises.
    """
    if push.committed_at is None:
        await _check(dependencies, push)
    async with dependencies.pool.acquire() as db, db.transaction():
        if await store.commit(db, push, force=force):
            # With the project's row locked, as whoever retries an import locks it and looks for content.
            if await is_importing(db, push.project_id):
                raise ImportUnfinished
            if push.attributes is not None:
                await _apply(db, push, level=level)
        committed = await store.find(db, push.project_id, push.id)
    if committed is None:
        raise PushGone(push.id)
    return committed


async def _apply(db: Connection, push: Push, *, level: AccessLevel) -> None:
    """Have the project be as was sent, whatever was overridden before; who sees it is for owners to say."""
    assert push.attributes is not None  # noqa: S101  # its caller asked
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


async def _check(dependencies: Dependencies, push: Push) -> None:
    if await index.find(dependencies.pool, push.id, PROJECT) is None:
        raise NothingOfTheProject
    listing = await index.find(dependencies.pool, push.id, LFS_INDEX)
    if listing is None:
        return
    async with dependencies.documents.turn():
        await _refuse_unlisted(dependencies, push, listing)


async def _refuse_unlisted(dependencies: Dependencies, push: Push, listing: PlacedEntry) -> None:
    document = await load(dependencies.store, listing)
    listed = await asyncio.to_thread(listed_oids, document)
    async for placed in index.entries(dependencies.pool, push.id, folder=_LFS_FOLDER):
        oid = oid_of(placed.entry.name).encode()
        if placed.entry.kind is EntryKind.BLOB and oid not in listed:
            raise LfsObjectUnlisted(placed.entry.name)
