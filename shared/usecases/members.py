"""Members of projects and groups: a user grants, changes and revokes at most his own level."""

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
from shared.errors import Denied
from shared.usecases.access import require_user, visible_group, visible_project
from shared.usecases.errors import NotFound, RecordNotFound


class SourceKind(Enum):
    """What has members, and the level that may change them."""

    PROJECT = AccessLevel.MAINTAINER
    GROUP = AccessLevel.OWNER


@dataclass(frozen=True, slots=True, kw_only=True)
class Manager:
    """Who changes the members of ``source``: with which level, and which it takes."""

    source: MemberSource
    level: AccessLevel
    needed: AccessLevel

    def require(self, *levels: AccessLevel) -> None:
        """Raise Denied where the level is below what it takes, or below one of ``levels``."""
        if self.level < max(self.needed, *levels, AccessLevel.NONE):
            raise Denied


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMember:
    """Whom to make a member, by id or by name."""

    user_id: int | None
    username: str | None
    level: AccessLevel
    expires_at: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberChange:
    """The new level; the day stays as it is where ``keeps_day``."""

    level: AccessLevel
    expires_at: date | None
    keeps_day: bool


@dataclass(frozen=True, slots=True)
class Leaving:
    """Who wants to end a membership of a source, and with which level there."""

    user: User
    manager: Manager


class Members:
    """The members of one kind of source."""

    def __init__(self, pool: Pool, kind: SourceKind) -> None:
        self._pool = pool
        self._kind = kind

    async def find_source(self, actor: User | None, reference: str) -> MemberSource:
        """Give what the user may read the members of.

        Raises NotFound and MovedProject, and Unauthenticated of groups.
        """
        return (await self._find(actor, reference)).source

    async def list(self, source: MemberSource, query: MemberQuery) -> Found[Member]:
        """List members."""
        return await members.list_members(self._pool, source, query)

    async def show(self, source: MemberSource, user_id: int, *, inherited: bool = False) -> Member:
        """Give a member. Raises RecordNotFound."""
        member = await members.find_member(self._pool, source, user_id, inherited=inherited)
        if member is None:
            raise RecordNotFound
        return member

    async def manager(self, actor: User | None, reference: str) -> Manager:
        """Give what the user may change the members of. Raises Unauthenticated, NotFound and Denied."""
        require_user(actor)
        manager = await self._find(actor, reference)
        manager.require()
        return manager

    async def add(self, manager: Manager, asked: NewMember) -> Member:
        """Make a user a member. Raises Denied, NotFound and AlreadyMember."""
        manager.require(asked.level)
        user = await self._user(asked)
        if user is None:
            raise NotFound("User")
        if user.id == manager.source.owner_id:
            raise members.AlreadyMember
        try:
            await members.add_new_member(
                self._pool, manager.source, user.id, level=asked.level, expires_at=asked.expires_at
            )
        except SourceGone:
            raise NotFound from None
        return await self._found(manager, user.id)

    async def change(self, manager: Manager, member: Member, asked: MemberChange) -> Member:
        """Give a member another level. Raises Denied, also for the last owner of a group."""
        manager.require(asked.level, member.level)
        _refuse_for_owner(manager.source, member)
        expires_at = member.expires_at if asked.keeps_day else asked.expires_at
        try:
            async with self._pool.acquire() as db, db.transaction():
                await members.change_member(
                    db, manager.source, member.user.id, level=asked.level, expires_at=expires_at
                )
        except LastOwner:
            raise Denied from None
        return await self._found(manager, member.user.id)

    async def find_to_leave(self, actor: User | None, reference: str) -> Leaving:
        """Give what the user wants to end a membership of, before it is read whose.

        Raises Unauthenticated, NotFound and MovedProject.
        """
        return Leaving(require_user(actor), await self._find(actor, reference))

    async def remove(self, leaving: Leaving, user_id: int) -> None:
        """End a membership; everybody may leave. Raises RecordNotFound and Denied."""
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
            group = await visible_group(self._pool, require_user(actor), reference)
            source = MemberSource(namespace_id=group.namespace.id)
            return Manager(source=source, level=group.level, needed=needed)
        found = await visible_project(self._pool, actor, reference)
        namespace = found.project.namespace
        source = MemberSource(
            namespace_id=namespace.id, project_id=found.project.id, owner_id=namespace.owner_id
        )
        return Manager(source=source, level=found.level, needed=needed)

    async def _user(self, asked: NewMember) -> User | None:
        if asked.user_id is not None:
            return await find_user_by_id(self._pool, asked.user_id)
        return await find_user(self._pool, asked.username or "")

    async def _found(self, manager: Manager, user_id: int) -> Member:
        member = await members.find_member(self._pool, manager.source, user_id)
        if member is None:
            raise NotFound
        return member


def _refuse_for_owner(source: MemberSource, member: Member) -> None:
    """Raise Denied for who owns the namespace: that cannot be changed in a project of it."""
    if member.user.id == source.owner_id:
        raise Denied
