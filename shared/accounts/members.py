"""The members of a project or group: direct members, and those inherited from the groups above."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime

from asyncpg import ForeignKeyViolationError

from shared.accounts.models import AccessLevel, User
from shared.accounts.users import user_of
from shared.database.pool import Connection, Database, Row
from shared.database.search import Found, contains
from shared.errors import Conflict, Denied, Missing

# The owner of a personal namespace is a member of its projects, as in GitLab, without a membership row.
_MEMBERS = """WITH RECURSIVE line AS (
        SELECT id, parent_id, owner_id, created_at FROM namespaces WHERE id = $1
        UNION ALL SELECT n.id, n.parent_id, n.owner_id, n.created_at
        FROM namespaces n JOIN line ON n.id = line.parent_id WHERE $3),
    held AS (
        SELECT user_id, access_level, created_at, expires_at FROM live_memberships
        WHERE project_id = $2 OR (($3 OR $2::bigint IS NULL) AND namespace_id IN (SELECT id FROM line))
        UNION ALL SELECT owner_id, 50, created_at, NULL FROM line
        WHERE owner_id IS NOT NULL AND $2::bigint IS NOT NULL),
    best AS (SELECT DISTINCT ON (user_id) * FROM held ORDER BY user_id, access_level DESC)
    SELECT %s FROM best b JOIN users u ON u.id = b.user_id
    WHERE ($4::text IS NULL OR u.username ILIKE $4 OR u.name ILIKE $4)
      AND ($5::bigint IS NULL OR u.id = $5)"""
_FIELDS = "u.*, b.access_level, b.created_at AS member_since, b.expires_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberSource:
    """What members belong to: a project in its namespace, or a group where ``project_id`` is None.

    ``owner_id`` is the user whose personal namespace it is, if it is one.
    """

    namespace_id: int
    project_id: int | None = None
    owner_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberQuery:
    """Which members to list; with ``inherited`` also those of the groups above."""

    inherited: bool = False
    search: str | None = None
    user_id: int | None = None
    limit: int = 20
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A user's access level, since when, and until the beginning of which day (UTC)."""

    user: User
    level: AccessLevel
    created_at: datetime
    expires_at: date | None


class AlreadyMember(Conflict):
    """The user is a direct member already."""

    code = "already_member"


class SourceGone(Missing):
    """The project, group or user was deleted at the same moment."""

    code = "source_gone"


class LastOwner(Denied):
    """Without this member the group would have no owner."""

    code = "last_owner"


def _member(row: Row) -> Member:
    return Member(
        user=user_of(row),
        level=AccessLevel(row["access_level"]),
        created_at=row["member_since"],
        expires_at=row["expires_at"],
    )


async def list_members(db: Database, source: MemberSource, query: MemberQuery) -> Found[Member]:
    """List current members, by id; each once, with the highest level."""
    values = (
        source.namespace_id, source.project_id, query.inherited, contains(query.search), query.user_id,
    )  # fmt: skip
    order = " ORDER BY u.id LIMIT $6 OFFSET $7"
    rows = await db.fetch(_MEMBERS % _FIELDS + order, *values, query.limit, query.offset)
    return Found([_member(row) for row in rows], await db.fetchval(_MEMBERS % "count(*)", *values))


async def find_member(
    db: Database, source: MemberSource, user_id: int, *, inherited: bool = False
) -> Member | None:
    """Find one member."""
    found = await list_members(db, source, MemberQuery(inherited=inherited, user_id=user_id))
    return found.items[0] if found.items else None


def _where(source: MemberSource) -> tuple[str, int]:
    if source.project_id is None:
        return "namespace_id", source.namespace_id
    return "project_id", source.project_id


async def add_new_member(
    db: Database, source: MemberSource, user_id: int, *, level: AccessLevel, expires_at: date | None
) -> None:
    """Make a user a direct member, also where an earlier membership has expired.

    Raises AlreadyMember and SourceGone.
    """
    column, value = _where(source)
    try:
        added = await db.fetchval(
            f"""INSERT INTO memberships (user_id, {column}, access_level, expires_at) VALUES ($1, $2, $3, $4)
                ON CONFLICT (user_id, {column}) DO UPDATE SET access_level = excluded.access_level,
                    expires_at = excluded.expires_at, created_at = now()
                WHERE memberships.expires_at <= (now() AT TIME ZONE 'UTC')::date
                RETURNING true""",  # noqa: S608  # fixed texts only
            user_id, value, level, expires_at,
        )  # fmt: skip
    except ForeignKeyViolationError:
        raise SourceGone from None
    if not added:
        raise AlreadyMember


async def change_member(
    db: Connection, source: MemberSource, user_id: int, *, level: AccessLevel, expires_at: date | None
) -> None:
    """Change the level of a direct member. Raises LastOwner, which ends the caller's transaction."""
    column, value = _where(source)
    async with _require_owner_left(db, source):
        await db.execute(
            f"""UPDATE memberships SET access_level = $3, expires_at = $4
                WHERE user_id = $1 AND {column} = $2""",  # noqa: S608  # fixed texts only
            user_id, value, level, expires_at,
        )  # fmt: skip


async def remove_member(db: Connection, source: MemberSource, user_id: int) -> None:
    """Remove a direct member. Raises LastOwner, which ends the caller's transaction."""
    column, value = _where(source)
    async with _require_owner_left(db, source):
        await db.execute(
            f"DELETE FROM memberships WHERE user_id = $1 AND {column} = $2",  # noqa: S608  # fixed texts only
            user_id, value,
        )  # fmt: skip


@asynccontextmanager
async def _require_owner_left(db: Connection, source: MemberSource) -> AsyncIterator[None]:
    """Raise LastOwner where a group had owners before the block and has none after it."""
    if source.project_id is not None:
        yield
        return
    # Two transactions that each remove another owner run one after the other, so that one of them sees that
    # it takes the last.
    await db.execute("SELECT FROM namespaces WHERE id = $1 FOR NO KEY UPDATE", source.namespace_id)
    owned = await _has_owner(db, source)
    yield
    if owned and not await _has_owner(db, source):
        raise LastOwner


async def _has_owner(db: Connection, group: MemberSource) -> bool:
    owners = f"SELECT EXISTS ({_MEMBERS % 'true'} AND b.access_level = 50)"  # fixed texts only
    has: bool = await db.fetchval(owners, group.namespace_id, None, True, None, None)
    return has
