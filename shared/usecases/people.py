"""Tells who appears in a project, and keeps the maps that say who those are at another GitLab.

Both have e-mail addresses in them: they are for who manages the project, or owns the namespace.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from shared.accounts.models import AccessLevel, User
from shared.accounts.namespaces import find_namespace_by_path
from shared.admission import Holder, end_after
from shared.database.pool import Pool
from shared.database.transactions import current, transaction
from shared.people.people_map import PeopleMap, Person, Row
from shared.projects import people_maps
from shared.projects.people_maps import MapOwner, StoredMap
from shared.records.finder import PassLimits, PassTooLong
from shared.records.people import ensure_people
from shared.snapshots import lifecycle, people
from shared.snapshots.people import SourceUser
from shared.snapshots.reading import keep_for_reading
from shared.storage.base import ObjectStore
from shared.usecases.access import (
    find_maintained_project,
    find_member_namespace,
    find_namespace_level,
    require_user,
)
from shared.usecases.errors import PeopleMapMissing

_AT_ONCE = 1000
SHOWN = 100
"""People whom a preview shows."""


@dataclass(frozen=True, slots=True)
class MappedUser:
    """Somebody whom the records of a project name, and who that is; ``person`` is None for nobody."""

    user: SourceUser
    person: Person | None

    @property
    def public_email(self) -> str | None:
        """The e-mail that exports have: that of the map, or else the one that the records tell."""
        return (self.person and self.person.public_email) or self.user.public_email


@dataclass(frozen=True, slots=True)
class ProjectPeople:
    """Who appears in a project: some of them, in the order of their ids, and how many there are."""

    total: int
    users: Sequence[MappedUser]


@dataclass(frozen=True, slots=True, kw_only=True)
class MapPreview:
    """What a map does to a project: how many people it maps, how many not, and rows that name nobody there.

    ``without_email`` are those who are mapped and have no e-mail: a GitLab does not find them. ``users`` are
    the first of all people.
    """

    mapped: int
    without_email: int
    unmapped: int
    unused_rows: int
    users: Sequence[MappedUser]


@dataclass(frozen=True, slots=True)
class ShownMap:
    """A map, and whether its rows may be shown."""

    stored: StoredMap
    is_whole: bool


class People:
    """Lists people, and keeps maps. Methods raise NotFound, MovedProject, Unauthenticated and Denied."""

    def __init__(self, pool: Pool, store: ObjectStore, *, limits: PassLimits) -> None:
        self._pool = pool
        self._store = store
        self._limits = limits

    async def find_project(self, actor: User | None, reference: str) -> MapOwner:
        """Return the project, if the user manages it."""
        project = await find_maintained_project(self._pool, require_user(actor), reference)
        return MapOwner(project_id=project.id)

    async def find_namespace(self, actor: User | None, reference: str) -> MapOwner:
        """Return the namespace, if the user owns it."""
        found = await find_member_namespace(self._pool, require_user(actor), reference)
        return MapOwner(namespace_id=found.require(AccessLevel.OWNER).id)

    async def list_users(self, owner: MapOwner, *, after: int, limit: int, holder: Holder) -> ProjectPeople:
        """Return people of a project from the id behind ``after`` on, mapped by the map that counts for it.

        The first request for a snapshot looks through all records, in the place of a pass that ``holder``
        takes. Raises PassTooLong, TooManyPeople, SnapshotGone, CorruptSegment and StorageError.
        """
        project_id = owner.project_id or 0
        stored = await people_maps.find_map_for(self._pool, project_id)
        snapshot_id = await lifecycle.current(self._pool, project_id)
        async with keep_for_reading(self._pool, snapshot_id):
            if snapshot_id is None:
                return ProjectPeople(0, ())
            total = await self._ensure(snapshot_id, holder)
            found = await people.list_people(self._pool, snapshot_id, after=after, limit=limit)
        return ProjectPeople(total, _mapped(found, stored.people if stored else PeopleMap()))

    async def preview(self, owner: MapOwner, given: PeopleMap, *, holder: Holder) -> MapPreview:
        """Return what a map would do to a project. It is not stored. Raises what ``list_users`` raises."""
        snapshot_id = await lifecycle.current(self._pool, owner.project_id or 0)
        async with keep_for_reading(self._pool, snapshot_id):
            if snapshot_id is None:
                return MapPreview(
                    mapped=0, without_email=0, unmapped=0, unused_rows=len(given.rows), users=()
                )
            total = await self._ensure(snapshot_id, holder)
            return await self._preview(snapshot_id, given, total)

    async def _preview(self, snapshot_id: int, given: PeopleMap, total: int) -> MapPreview:
        shown: list[MappedUser] = []
        mapped, without_email, used = 0, 0, set[Row]()
        async for page in self._pages(snapshot_id):
            for each in _mapped(page, given):
                mapped += each.person is not None
                without_email += each.person is not None and not each.public_email
                shown += [each] if len(shown) < SHOWN else []
                user = each.user
                used.update(given.rows_of(user.id, user.username, user.public_email))
        unused = len(given.rows) - len(used)
        return MapPreview(
            mapped=mapped,
            without_email=without_email,
            unmapped=total - mapped,
            unused_rows=unused,
            users=shown,
        )

    async def _pages(self, snapshot_id: int) -> AsyncGenerator[list[SourceUser], None]:
        after = 0
        while found := await people.list_people(self._pool, snapshot_id, after=after, limit=_AT_ONCE):
            yield found
            after = found[-1].id

    async def _ensure(self, snapshot_id: int, holder: Holder) -> int:
        known = await people.count_people(self._pool, snapshot_id)
        if known is not None:
            return known
        places, longest = self._limits.lists, self._limits.longest
        await places.take(holder)
        try:
            async with end_after(longest, PassTooLong(longest)):
                return await ensure_people(self._pool, self._store, snapshot_id)
        finally:
            places.release(holder)

    async def find_map(self, actor: User | None, owner: MapOwner) -> ShownMap:
        """Return the map that counts for a project, or that of a namespace. Raises PeopleMapMissing.

        Who manages a project in a namespace does not see the people of its other projects.
        """
        found = await self._find_map(owner)
        is_whole = owner.project_id is None or found.namespace is None
        if not is_whole:
            namespace = await find_namespace_by_path(self._pool, found.namespace or "")
            level = await find_namespace_level(self._pool, actor, namespace) if namespace else None
            is_whole = level is AccessLevel.OWNER
        return ShownMap(found, is_whole)

    async def _find_map(self, owner: MapOwner) -> StoredMap:
        db = current(self._pool)
        if owner.project_id is None:
            found = await people_maps.find_map(db, owner)
        else:
            found = await people_maps.find_map_for(db, owner.project_id)
        if found is None:
            raise PeopleMapMissing
        return found

    async def set_map(self, actor: User | None, owner: MapOwner, given: PeopleMap) -> None:
        """Set a map in place of any other. Raises MapOwnerGone."""
        async with transaction(self._pool) as db:
            await people_maps.set_map(db, owner, given, author=require_user(actor).username)

    async def delete_map(self, owner: MapOwner) -> None:
        """Delete the map of a project or namespace itself. Raises PeopleMapMissing."""
        async with transaction(self._pool) as db:
            if not await people_maps.delete_map(db, owner):
                raise PeopleMapMissing


def _mapped(users: Sequence[SourceUser], given: PeopleMap) -> list[MappedUser]:
    return [
        MappedUser(
            each, given.find(id=each.id, username=each.username, public_email=each.public_email)
        )
        for each in users
    ]  # fmt: skip
