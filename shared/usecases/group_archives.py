"""Imports groups from an archive."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from shared.accounts.errors import NamespaceGone, NamespacePathTaken, VisibilityRefused
from shared.accounts.models import AccessLevel, Namespace, User
from shared.database.pool import Pool
from shared.database.transactions import transaction
from shared.errors import ArchiveError
from shared.group_archives.importing import GroupMaker, keep_relations
from shared.group_archives.left_out import LeftOut
from shared.group_archives.outline import outlined_groups
from shared.group_archives.reading import read_outline
from shared.ledger import objects
from shared.projects.rules import NameRefused
from shared.restore.sources import StoredArchive
from shared.storage.base import ObjectStore
from shared.usecases.access import find_visible_group
from shared.usecases.errors import FileLost, GroupArchiveRefused, GroupNotSaved, NotFound
from shared.usecases.projects import TAKEN


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupImportRequest:
    """Groups to import; path and name are those of the first one, below the group ``parent_id`` if given."""

    path: str
    name: str
    parent_id: int | None


class GroupArchives:
    """Imports groups; a user owns at most ``limit``."""

    def __init__(self, pool: Pool, store: ObjectStore, *, limit: int) -> None:
        self._pool = pool
        self._store = store
        self._limit = limit

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

    async def _open(self, object_id: int) -> StoredArchive:
        stored = await objects.find_stored(self._pool, object_id)
        if stored is None:
            raise FileLost("The archive is not stored any more")
        return StoredArchive(self._store, stored)


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except ArchiveError as error:
        raise GroupArchiveRefused(error) from None
    except NameRefused as error:
        raise GroupNotSaved(error.field, str(error), cause=error) from None
    except NamespacePathTaken as error:
        raise GroupNotSaved("path", TAKEN, cause=error) from None
    except NamespaceGone:
        raise NotFound("Group") from None
    except VisibilityRefused as error:
        raise GroupNotSaved("visibility_level", str(error), cause=error) from None
