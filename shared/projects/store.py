"""Projects in Postgres. Functions take a pool or a connection."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from asyncpg import ForeignKeyViolationError, UniqueViolationError

from shared.accounts.errors import NamespaceGone
from shared.accounts.models import AccessLevel, User
from shared.accounts.namespaces import COLUMNS, MEMBER_OF, namespace_of
from shared.accounts.visibility import lowest_visible
from shared.database.pool import Connection, Database, Row
from shared.database.search import Found, contains
from shared.errors import CrossdockError, Fault
from shared.gitlab.visibility import Visibility
from shared.projects.access import LEVEL
from shared.projects.models import Project

_LARGEST_ID = 2**63 - 1
_FIELDS = "p.*, " + ", ".join(f"n.{column} AS namespace_{column}" for column in COLUMNS)
_COLUMNS = (
    "id",
    "creator_id",
    "path",
    "name",
    "description",
    "archived",
    "overrides",
    "created_at",
    "last_activity_at",
)
# The jobs first: one that is about to end has locked itself, and then needs the project.
_DELETE = """WITH locked AS MATERIALIZED (
    SELECT id FROM jobs WHERE project_id = $1 AND finished_at IS NULL ORDER BY id FOR UPDATE)
DELETE FROM projects WHERE id = $1 AND (SELECT count(*) FROM locked) >= 0"""
_FROM = "FROM projects p JOIN namespaces n ON n.id = p.namespace_id"


class NameTaken(CrossdockError):
    """Another project of the namespace has this ``field`` (path or name); the text is GitLab's."""

    code = "name_taken"
    fault = Fault.CLIENT

    def __init__(self, field: str) -> None:
        super().__init__(f"{field.capitalize()} has already been taken")
        self.field = field


class ProjectLimitReached(CrossdockError):
    """The user's own namespace has as many projects as it may have; the text is GitLab's."""

    code = "projects_limit_reached"
    fault = Fault.CLIENT

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"You've reached your limit of {limit} projects created. Contact your GitLab administrator."
            if limit
            else "You cannot create projects in your personal namespace. Contact your GitLab administrator."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProject:
    """The attributes of a project to create."""

    namespace_id: int
    creator_id: int
    path: str
    name: str
    description: str | None = None
    visibility: Visibility = Visibility.PRIVATE


@dataclass(frozen=True, slots=True)
class ReachedProject:
    """A project, the level in it of the user who looks for it, and the row with what was read beside it."""

    project: Project
    level: AccessLevel
    row: Row


class ProjectOrder(Enum):
    """The columns by which a list of projects can be sorted."""

    ID = "id"
    NAME = "name"
    PATH = "path"
    CREATED_AT = "created_at"
    LAST_ACTIVITY_AT = "last_activity_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectQuery:
    """Which visible projects to list: those where the user has at least the level ``minimum``.

    With ``namespace_id`` only those of that namespace, and with ``below`` also those of its descendants.
    ``order`` is a column of projects. ``changed_after`` and ``changed_before`` bound the last activity, and
    are no part of what matches.
    """

    minimum: AccessLevel = AccessLevel.NONE
    search: str | None = None
    archived: bool | None = None
    visibility: Visibility | None = None
    namespace_id: int | None = None
    below: bool = False
    changed_after: datetime | None = None
    changed_before: datetime | None = None
    order: ProjectOrder = ProjectOrder.ID
    ascending: bool = False
    limit: int = 20
    offset: int = 0


def _project(row: Row) -> Project:
    return Project(
        visibility=Visibility(row["visibility"]),
        namespace=namespace_of(row, prefix="namespace_"),
        **{name: row[name] for name in _COLUMNS},
    )


async def count_own(db: Database, user_id: int) -> int:
    """Count the projects in the user's own namespace, whose number is limited."""
    count: int = await db.fetchval(
        "SELECT count(*) FROM projects p JOIN namespaces n ON n.id = p.namespace_id WHERE n.owner_id = $1",
        user_id,
    )
    return count


async def create_within_limit(db: Connection, new: NewProject) -> Project:
    """Insert a project, unless the user's own namespace is full. Raises ProjectLimitReached as well."""
    return await create(db, new, limit=await lock_limit(db, new.namespace_id))


async def lock_limit(db: Connection, namespace_id: int) -> int | None:
    """Return how many projects a user's own namespace may have; None for a group.

    The owner's row is locked until the transaction ends: two creations at once must not both be the last.
    """
    limit: int | None = await db.fetchval(
        """SELECT u.projects_limit FROM namespaces n JOIN users u ON u.id = n.owner_id
           WHERE n.id = $1 FOR NO KEY UPDATE OF u""",
        namespace_id,
    )
    return limit


async def lock_path(db: Connection, namespace_id: int, path: str) -> None:
    """Lock a path of a namespace until the transaction ends: meanwhile nobody else gives it to a project.

    Lock the limit of the namespace before it, and rows of projects after it.
    """
    await db.execute("SELECT lock_path($1, $2)", namespace_id, path)


async def create(db: Database, new: NewProject, *, limit: int | None = None) -> Project:
    """Insert a project, unless its namespace has ``limit`` of them.

    Raises ProjectLimitReached, NameTaken and NamespaceGone; within a transaction the last two end it.
    """
    try:
        row = await db.fetchrow(
            f"""WITH p AS (INSERT INTO projects
                               (namespace_id, creator_id, path, name, description, visibility)
                           SELECT $1, $2, $3, $4, $5, $6
                           WHERE $7::int IS NULL
                              OR (SELECT count(*) FROM projects WHERE namespace_id = $1) < $7 RETURNING *)
                SELECT {_FIELDS} FROM p JOIN namespaces n ON n.id = p.namespace_id""",  # noqa: S608  # fixed texts only
            new.namespace_id, new.creator_id, new.path, new.name, new.description, new.visibility, limit,
        )  # fmt: skip
    except UniqueViolationError as error:
        raise NameTaken("name" if error.constraint_name == "projects_name" else "path") from None
    except ForeignKeyViolationError:
        raise NamespaceGone from None
    if row is None:
        raise ProjectLimitReached(limit or 0)
    return _project(row)


async def find(db: Database, reference: str) -> Project | None:
    """Find a project by the digits of its id, or by its full path, whose case does not matter."""
    if reference.isascii() and reference.isdecimal():
        return await find_by_id(db, int(reference))
    return await find_by_path(db, reference)


async def find_reached(db: Database, user: User | None, reference: str, *more: str) -> ReachedProject | None:
    """Find a project as ``find`` does, with the user's level in it; NONE for a visitor.

    ``more``: columns in SQL that are read as well, of project ``p``; $1 is the user's id, or null.
    """
    lookup = _lookup(reference)
    if lookup is None:
        return None
    condition, values = lookup
    columns = ", ".join((_FIELDS, f"{LEVEL} AS level", *more))
    row = await db.fetchrow(f"SELECT {columns} {_FROM} WHERE {condition}", user and user.id, *values)
    if row is None:
        return None
    level = AccessLevel.OWNER if user and user.is_admin else AccessLevel(row["level"])
    return ReachedProject(_project(row), level, row)


def _lookup(reference: str) -> tuple[str, tuple[object, ...]] | None:
    """Give the condition for a reference, with its values from $2 on; None for what no project can have."""
    if reference.isascii() and reference.isdecimal():
        return None if int(reference) > _LARGEST_ID else ("p.id = $2", (int(reference),))
    namespace, _, path = reference.rpartition("/")
    return "lower(n.full_path) = lower($2) AND lower(p.path) = lower($3)", (namespace, path)


async def find_by_id(db: Database, project_id: int) -> Project | None:
    """Find a project by its id."""
    if project_id > _LARGEST_ID:
        return None
    row = await db.fetchrow(f"SELECT {_FIELDS} {_FROM} WHERE p.id = $1", project_id)  # fixed texts only
    return None if row is None else _project(row)


async def find_by_path(db: Database, full_path: str) -> Project | None:
    """Find a project by its full path; case does not matter."""
    namespace, _, path = full_path.rpartition("/")
    row = await db.fetchrow(
        f"SELECT {_FIELDS} {_FROM} WHERE lower(n.full_path) = lower($1) AND lower(p.path) = lower($2)",
        namespace, path,
    )  # fmt: skip
    return None if row is None else _project(row)


async def list_projects(db: Database, user: User | None, query: ProjectQuery) -> Found[Project]:
    """List the projects that match ``query`` and that ``user``, or a visitor for None, may see."""
    condition = f"""{MEMBER_OF}, inside AS (
            SELECT id FROM namespaces WHERE id = $6
            UNION ALL SELECT n.id FROM namespaces n JOIN inside i ON n.parent_id = i.id WHERE $7)
        SELECT %s {_FROM}
        WHERE (n.id IN (SELECT id FROM mine)
               OR EXISTS (SELECT FROM live_memberships m
                          WHERE m.project_id = p.id AND m.user_id = $1 AND m.access_level >= $2)
               OR ($3 AND p.visibility >= $4))
          AND ($5::text IS NULL OR p.path ILIKE $5 OR p.name ILIKE $5)
          AND ($6::bigint IS NULL OR n.id IN (SELECT id FROM inside))
          AND ($8::boolean IS NULL OR p.archived = $8)
          AND ($9::smallint IS NULL OR p.visibility = $9)
          AND ($10::timestamptz IS NULL OR p.last_activity_at > $10)
          AND ($11::timestamptz IS NULL OR p.last_activity_at < $11)"""  # noqa: S608  # fixed texts only
    values = (
        user.id if user else 0, max(query.minimum, 1), not query.minimum,
        Visibility.PRIVATE if user and user.is_admin else lowest_visible(signed_in=user is not None),
        contains(query.search),
        query.namespace_id, query.below, query.archived, query.visibility,
        query.changed_after, query.changed_before,
    )  # fmt: skip
    direction = "ASC" if query.ascending else "DESC"
    order = f" ORDER BY p.{query.order.value} {direction}, p.id {direction} LIMIT $12 OFFSET $13"
    rows = await db.fetch(condition % _FIELDS + order, *values, query.limit, query.offset)
    return Found([_project(row) for row in rows], await db.fetchval(condition % "count(*)", *values))


async def list_maintained(
    db: Database, user: User, *, below: int | None, behind: int, limit: int
) -> list[tuple[int, str]]:
    """List projects that the user maintains, or all for an administrator: ids over ``behind``, and paths.

    ``below``: only those of this namespace and of its descendants.
    """
    rows = await db.fetch(
        f"""{MEMBER_OF}, inside AS (
            SELECT id FROM namespaces WHERE id = $4
            UNION ALL SELECT n.id FROM namespaces n JOIN inside i ON n.parent_id = i.id)
        SELECT p.id, n.full_path || '/' || p.path AS full_path {_FROM}
        WHERE p.id > $5 AND ($4::bigint IS NULL OR n.id IN (SELECT id FROM inside))
          AND ($3 OR n.id IN (SELECT id FROM mine)
               OR EXISTS (SELECT FROM live_memberships m
                          WHERE m.project_id = p.id AND m.user_id = $1 AND m.access_level >= $2))
        ORDER BY p.id LIMIT $6""",  # noqa: S608  # fixed texts
        user.id, AccessLevel.MAINTAINER, user.is_admin, below, behind, limit,
    )  # fmt: skip
    return [(row["id"], row["full_path"]) for row in rows]


async def lock(db: Connection, project_id: int) -> bool:
    """Lock the project's row for the rest of the transaction; give False where it is deleted."""
    return bool(await db.fetchval("SELECT true FROM projects WHERE id = $1 FOR NO KEY UPDATE", project_id))


async def delete(db: Database, project_id: int) -> None:
    """Delete a project with everything that belongs to it; the collector deletes its objects."""
    await db.execute(_DELETE, project_id)
