"""Imports groups from an archive, and exports them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from shared.accounts.errors import NamespaceGone
from shared.accounts.models import AccessLevel, Namespace, User
from shared.accounts.rate_limits import RateLimits
from shared.database.pool import Pool
from shared.database.transactions import transaction
from shared.errors import ArchiveError
from shared.gitlab.file_name import file_name
from shared.group_archives import store as group_store
from shared.group_archives.importing import GroupMaker, keep_relations
from shared.group_archives.left_out import LeftOut
from shared.group_archives.outline import outlined_groups
from shared.group_archives.reading import read_outline
from shared.group_archives.writing import archive_pieces
from shared.ledger import objects
from shared.restore.sources import StoredArchive
from shared.storage.base import ObjectStore
from shared.usecases.access import find_visible_group, require_user
from shared.usecases.errors import ArchiveNotFound, FileLost, GroupArchiveRefused, NotFound
from shared.usecases.groups import group_errors
from shared.usecases.settings import InstanceSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupImportRequest:
    """Groups to import; path and name are those of the first one, below the group ``parent_id`` if given."""

    path: str
    name: str
    parent_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDownload:
    """The archive of a group, which is made while ``pieces`` are read; close them when left early."""

    group_id: int
    file_name: str
    pieces: AsyncGenerator[bytes, None]


class GroupArchives:
    """Imports and exports groups; a user owns at most ``limit``."""

    def __init__(
        self,
        pool: Pool,
        store: ObjectStore,
        *,
        limit: int,
        limits: RateLimits,
        settings: InstanceSettings,
    ) -> None:
        self._pool = pool
        self._store = store
        self._limit = limit
        self._limits = limits
        self._settings = settings

    async def find_parent(self, actor: User, request: GroupImportRequest) -> Namespace | None:
        """Return the group in which to import, None for the top. Raises NotFound and Denied."""
        if request.parent_id is None:
            return None
        above = await find_visible_group(self._pool, actor, str(request.parent_id))
        return above.require(AccessLevel.MAINTAINER)

    async def load(
        self, actor: User, request: GroupImportRequest, object_id: int, *, parent: Namespace | None
    ) -> LeftOut:
        """Make the groups of an archive, all or none, and return what was left out of it.

        Raises GroupArchiveRefused, TooManyGroups, GroupNotSaved and NotFound.
        """
        source, left_out = await self._open(object_id), LeftOut()
        with _translate_errors():
            groups = outlined_groups(await read_outline(source, left_out), left_out)
            root = replace(groups[0], path=request.path, name=request.name)
            async with transaction(self._pool) as db:
                maker = GroupMaker(db, actor.id, limit=self._limit)
                first = await maker.make(root, above=parent)
                made = await maker.make_below(first, groups, left_out)
                await keep_relations(db, source, made, left_out)
        return left_out

    async def ask(self, actor: User | None, reference: str) -> None:
        """Note that a user wants the archive of a group, which is there for as long as those of projects.

        Raises Unauthenticated, NotFound, Denied and RateLimited, in this order.
        """
        user, group = await self._find_owned(actor, reference)
        settings = await self._settings.current()
        await self._limits.count("group_export", user.id, limit=settings.project_export_limit)
        async with transaction(self._pool) as db:
            try:
                await group_store.ask_for_export(db, group.id, user.id, lasting=settings.retention)
            except NamespaceGone:
                raise NotFound("Group") from None

    async def download(self, actor: User | None, reference: str, *, counts: bool) -> GroupDownload:
        """Return the archive of a group whose export the user has asked for; what ``counts`` is a download.

        Raises what ``ask`` raises, and ArchiveNotFound.
        """
        user, group = await self._find_owned(actor, reference)
        settings, now = await self._settings.current(), datetime.now(UTC)
        if counts:
            limit = settings.project_download_export_limit
            await self._limits.count("group_download_export", user.id, group.id, limit=limit)
        if not await group_store.has_export(self._pool, group.id, user.id):
            raise ArchiveNotFound
        return GroupDownload(
            group_id=group.id,
            file_name=file_name(group.full_path, now),
            pieces=archive_pieces(self._pool, group, mtime=int(now.timestamp())),
        )

    async def _find_owned(self, actor: User | None, reference: str) -> tuple[User, Namespace]:
        user = require_user(actor)
        found = await find_visible_group(self._pool, user, reference)
        return user, found.require(AccessLevel.OWNER)

    async def _open(self, object_id: int) -> StoredArchive:
        stored = await objects.find_stored(self._pool, object_id)
        if stored is None:
            raise FileLost("The archive is not stored any more")
        return StoredArchive(self._store, stored)


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        with group_errors():
            yield
    except ArchiveError as error:
        raise GroupArchiveRefused(error) from None
