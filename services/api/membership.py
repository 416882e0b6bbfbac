"""Use cases of membership: nobody gives, changes or takes away more than he has himself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from services.api.http.errors import Forbidden, NotFound, Refused
from services.api.http.parameters import Checker
from shared.accounts import members
from shared.accounts.members import AlreadyMember, LastOwner, Member, MemberSource, SourceGone
from shared.accounts.models import AccessLevel
from shared.accounts.users import find_user, find_user_by_id
from shared.database.pool import Pool

_ALREADY = "Member already exists"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manager:
    """Who changes the members of ``source``: with which level, and which it takes."""

    source: MemberSource
    level: AccessLevel
    needed: AccessLevel

    def require(self, *levels: AccessLevel) -> None:
        """Raise 403 where the level is below what it takes, or below one of ``levels``."""
        if self.level < max(self.needed, *levels, AccessLevel.NONE):
            raise Forbidden


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


def read_new(given: Mapping[str, object]) -> NewMember:
    """Read it. Raises 400 in both of GitLab's dialects."""
    checker = Checker(given)
    if not given.get("user_id") and not given.get("username"):
        checker.problems.append("user_id, username are missing, exactly one parameter must be provided")
    checker.exclusive("user_id", "username")
    user_id, username = checker.integer("user_id"), checker.text("username")
    change = _read(checker, given)
    return NewMember(user_id=user_id, username=username, level=change.level, expires_at=change.expires_at)


def read_change(given: Mapping[str, object]) -> MemberChange:
    """Read it. Raises 400 in both of GitLab's dialects."""
    return _read(Checker(given), given)


def _read(checker: Checker, given: Mapping[str, object]) -> MemberChange:
    checker.require("access_level")
    level, day = checker.integer("access_level"), checker.day("expires_at")
    checker.finish()
    if level not in set(AccessLevel) - {AccessLevel.NONE}:
        raise Refused(400, {"access_level": ["is not included in the list"]})
    if day is not None and day <= datetime.now(UTC).date():
        raise Refused(400, {"expires_at": ["cannot be a date in the past"]})
    return MemberChange(level=AccessLevel(level), expires_at=day, keeps_day="expires_at" not in given)


async def add(pool: Pool, manager: Manager, wanted: NewMember) -> Member:
    """Make somebody a member. Raises 403, 404 and 409."""
    manager.require(wanted.level)
    if wanted.user_id is not None:
        user = await find_user_by_id(pool, wanted.user_id)
    else:
        user = await find_user(pool, wanted.username or "")
    if user is None:
        raise NotFound("User")
    if user.id == manager.source.owner_id:
        raise Refused(409, _ALREADY)
    try:
        await members.add_new_member(
            pool, manager.source, user.id, level=wanted.level, expires_at=wanted.expires_at
        )
    except AlreadyMember:
        raise Refused(409, _ALREADY) from None
    except SourceGone:
        raise NotFound from None
    return await _found(pool, manager, user.id)


async def change(pool: Pool, manager: Manager, member: Member, wanted: MemberChange) -> Member:
    """Give a member another level. Raises 403."""
    manager.require(wanted.level, member.level)
    _refuse_for_owner(manager.source, member)
    expires_at = member.expires_at if wanted.keeps_day else wanted.expires_at
    try:
        async with pool.acquire() as db, db.transaction():
            await members.change_member(
                db, manager.source, member.user.id, level=wanted.level, expires_at=expires_at
            )
    except LastOwner:
        raise Forbidden from None
    return await _found(pool, manager, member.user.id)


async def remove(pool: Pool, manager: Manager, member: Member) -> None:
    """End a membership. Raises 403, also for the last owner of a group."""
    manager.require(member.level)
    _refuse_for_owner(manager.source, member)
    try:
        async with pool.acquire() as db, db.transaction():
            await members.remove_member(db, manager.source, member.user.id)
    except LastOwner:
        raise Forbidden from None


def _refuse_for_owner(source: MemberSource, member: Member) -> None:
    """Raise 403 for who owns the namespace: that cannot be changed in a project of it."""
    if member.user.id == source.owner_id:
        raise Forbidden


async def _found(pool: Pool, manager: Manager, user_id: int) -> Member:
    member = await members.find_member(pool, manager.source, user_id)
    if member is None:
        raise NotFound
    return member
