"""Members of projects and groups. Users grant, change and revoke at most their own access level."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from enum import Enum

from shared.accounts import members
from shared.accounts.members import LastOwner, Member, MemberQuery, MemberSource, SourceGone
from shared.accounts.models import AccessLevel, User
from shared.accounts.users import find_user, find_user_by_id
from shared.database.pool import Pool
from shared.database.search import Found
from shared.database.transactions import current, transaction
from shared.errors import Denied
from shared.usecases.access import find_visible_group, find_visible_project, require_user
from shared.usecases.errors import NotFound, RecordNotFound


class SourceKind(Enum):
    """The kind of what has members, with the access level that is needed to change them."""

    PROJECT = AccessLevel.MAINTAINER
    GROUP = AccessLevel.OWNER


@dataclass(frozen=True, slots=True, kw_only=True)
class Manager:
    """A user's access to the members of ``source``: the user's level, and the level needed to change them."""

    source: MemberSource
    level: AccessLevel
    needed: AccessLevel

    def require(self, *levels: AccessLevel) -> None:
        """Raise Denied if the user's level is lower than the needed level or than one of ``levels``."""
        if self.level < max(self.needed, *levels, AccessLevel.NONE):
            raise Denied


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMember:
    """A member to add: a user by id or by name, and the membership."""

    user_id: int | None
    username: str | None
    level: AccessLevel
    expires_at: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberChange:
    """A change of a membership. With ``keeps_day`` the day of expiry stays as it is."""

    level: AccessLevel
    expires_at: date | None
    keeps_day: bool


@dataclass(frozen=True, slots=True)
class MembershipRemoval:
    """A user who wants to end a membership, and the user's access."""

    user: User
    manager: Manager


class Members:
    """Lists and changes the members of projects, or those of groups."""

    def __init__(self, pool: Pool, kind: SourceKind) -> None:
        self._pool = pool
        self._kind = kind

    async def find_source(self, actor: User | None, reference: str) -> MemberSource:
        """Return the project or group whose members the user may see.

        Raises NotFound and MovedProject, and for groups Unauthenticated.
        """
        return (await self._find(actor, reference)).source

    async def list(self, source: MemberSource, query: MemberQuery) -> Found[Member]:
        """List the members that match ``query``."""
        return await members.list_members(self._pool, source, query)

    async def show(self, source: MemberSource, user_id: int, *, inherited: bool = False) -> Member:
        """Return a member; ``inherited`` includes members of the groups above. Raises RecordNotFound."""
        member = await members.find_member(self._pool, source, user_id, inherited=inherited)
        if member is None:
            raise RecordNotFound
        return member

    async def find_manager(self, actor: User | None, reference: str) -> Manager:
        """Return the user's access to change members.

        Raises Unauthenticated, NotFound, MovedProject and Denied.
        """
        require_user(actor)
        manager = await self._find(actor, reference)
        manager.require()
        return manager

    async def add(self, manager: Manager, request: NewMember) -> Member:
        """Add a member. Raises Denied, NotFound and AlreadyMember."""
        manager.require(request.level)
        user = await self._user(request)
        if user is None:
            raise NotFound("User")
        if user.id == manager.source.owner_id:
            raise members.AlreadyMember
        try:
            async with transaction(self._pool) as db:
                await members.add_new_member(
                    db, manager.source, user.id, level=request.level, expires_at=request.expires_at
                )
        except SourceGone:
            raise NotFound from None
        return await self._reload(manager, user.id)

    async def change(self, manager: Manager, member: Member, request: MemberChange) -> Member:
        """Change a member's access level and expiry. Raises Denied, also for the last owner of a group."""
        manager.require(request.level, member.level)
        _refuse_for_owner(manager.source, member)
        expires_at = member.expires_at if request.keeps_day else request.expires_at
        try:
            async with self._pool.acquire() as db, db.transaction():
                await members.change_member(
                    db, manager.source, member.user.id, level=request.level, expires_at=expires_at
                )
        except LastOwner:
            raise Denied from None
        return await self._reload(manager, member.user.id)

    async def find_removal(self, actor: User | None, reference: str) -> MembershipRemoval:
        """Return the user's access to end a membership, before the member's id is parsed, as GitLab does.

        Raises Unauthenticated, NotFound and MovedProject.
        """
        return MembershipRemoval(require_user(actor), await self._find(actor, reference))

    async def remove(self, leaving: MembershipRemoval, user_id: int) -> None:
        """End a membership; all members may end their own. Raises RecordNotFound and Denied."""
        manager = leaving.manager
        member = await self.show(manager.source, user_id)
        needed = AccessLevel.NONE if member.user.id == leaving.user.id else manager.needed
        replace(manager, needed=needed).require(member.level)
        _refuse_for_owner(manager.source, member)
        try:
            async with self._pool.acquire() as db, db.transaction():
                await members.remove_member(db, manager.source, member.user.id)
        except LastOwner:
            raise Denied from None

    async def _find(self, actor: User | None, reference: str) -> Manager:
        needed = self._kind.value
        if self._kind is SourceKind.GROUP:
            group = await find_visible_group(self._pool, require_user(actor), reference)
            source = MemberSource(namespace_id=group.namespace.id)
            return Manager(source=source, level=group.level, needed=needed)
        found = await find_visible_project(self._pool, actor, reference)
        namespace = found.project.namespace
        source = MemberSource(
            namespace_id=namespace.id, project_id=found.project.id, owner_id=namespace.owner_id
        )
        return Manager(source=source, level=found.level, needed=needed)

    async def _user(self, request: NewMember) -> User | None:
        if request.user_id is not None:
            return await find_user_by_id(self._pool, request.user_id)
        return await find_user(self._pool, request.username or "")

    async def _reload(self, manager: Manager, user_id: int) -> Member:
        member = await members.find_member(current(self._pool), manager.source, user_id)
        if member is None:
            raise NotFound
        return member


def _refuse_for_owner(source: MemberSource, member: Member) -> None:
    """Raise Denied if the member owns the personal namespace: that membership of its projects is fixed."""
    if member.user.id == source.owner_id:
        raise Denied
