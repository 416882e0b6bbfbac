"""Namespaces and groups in Postgres."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from asyncpg import CheckViolationError, ForeignKeyViolationError, UniqueViolationError

from shared.accounts.errors import NamespaceGone, NamespacePathTaken, VisibilityRefused
from shared.accounts.models import AccessLevel, Namespace, NamespaceKind, User
from shared.database.pool import Database, Row
from shared.database.search import Found, contains
from shared.gitlab.visibility import Visibility

COLUMNS = (
    "id", "kind", "parent_id", "owner_id", "path", "name", "full_path", "full_name", "description",
    "visibility", "created_at",
)  # fmt: skip
"""The columns of a Namespace."""

MEMBER_OF = """WITH RECURSIVE mine AS (
    SELECT n.id FROM namespaces n
    WHERE n.owner_id = $1 OR EXISTS (SELECT FROM live_memberships m WHERE m.namespace_id = n.id
                                     AND m.user_id = $1 AND m.access_level >= $2)
    UNION SELECT n.id FROM namespaces n JOIN mine ON n.parent_id = mine.id)"""
"""SQL that defines ``mine``: the namespaces where user $1 has at least level $2, with all descendants."""


_BELOW = """, below AS (
    SELECT id FROM namespaces WHERE parent_id = $6
    UNION ALL SELECT n.id FROM namespaces n JOIN below ON n.parent_id = below.id)"""
"""SQL that defines ``below``: all descendants of namespace $6."""


class NamespaceOrder(Enum):
    """The columns by which a list of namespaces can be sorted."""

    FULL_PATH = "full_path"
    NAME = "name"
    PATH = "path"
    ID = "id"


_ORDERS = {
    NamespaceOrder.FULL_PATH: "lower(n.full_path)",
    NamespaceOrder.NAME: "n.name",
    NamespaceOrder.PATH: "n.path",
    NamespaceOrder.ID: "n.id",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceQuery:
    """Which namespaces to list: those of ``kind`` whose path or name contains ``search``.

    With ``minimum`` only where the user has that level; with ``parent_id`` only its direct subgroups, and
    with ``below`` also those at any depth; with ``top`` only groups without a parent. With ``visible`` also
    those of that visibility where the user is no member.
    """

    kind: NamespaceKind | None = None
    search: str | None = None
    minimum: AccessLevel = AccessLevel.NONE
    visible: Visibility | None = None
    parent_id: int | None = None
    below: bool = False
    top: bool = False
    order: NamespaceOrder = NamespaceOrder.FULL_PATH
    descending: bool = False
    limit: int = 20
    offset: int = 0


def namespace_of(row: Row, *, prefix: str = "") -> Namespace:
    """Make a Namespace of a row that has the columns of ``namespaces`` behind ``prefix``."""
    read = {"kind": NamespaceKind(row[f"{prefix}kind"]), "visibility": Visibility(row[f"{prefix}visibility"])}
    return Namespace(**{column: row[prefix + column] for column in COLUMNS} | read)


async def create_group(
    db: Database,
    path: str,
    *,
    name: str,
    parent: Namespace | None = None,
    description: str = "",
    visibility: Visibility = Visibility.PRIVATE,
) -> Namespace:
    """Insert a group, below ``parent`` if given.

    Raises NamespacePathTaken, NamespaceGone and VisibilityRefused.
    """
    try:
        # The trigger makes full path and name, as ``parent`` may have been renamed since it was read.
        row = await db.fetchrow(
            """INSERT INTO namespaces (kind, parent_id, path, name, description, visibility)
               VALUES ('group', $1, $2, $3, $4, $5) RETURNING *""",
            parent and parent.id, path, name, description, visibility,
        )  # fmt: skip
    except UniqueViolationError:
        raise NamespacePathTaken(f"{parent.full_path}/{path}" if parent else path) from None
    except ForeignKeyViolationError:
        raise NamespaceGone from None
    except CheckViolationError as error:
        raise VisibilityRefused.by_parent(visibility, Visibility(int(error.detail or 0))) from None
    assert row is not None  # noqa: S101  # an INSERT ... RETURNING gives its row
    return namespace_of(row)


async def find_namespace(db: Database, namespace_id: int) -> Namespace | None:
    """Find a namespace by its id."""
    row = await db.fetchrow("SELECT * FROM namespaces WHERE id = $1", namespace_id)
    return None if row is None else namespace_of(row)


async def find_namespace_by_path(db: Database, full_path: str) -> Namespace | None:
    """Find a namespace by its full path; case does not matter."""
    row = await db.fetchrow("SELECT * FROM namespaces WHERE lower(full_path) = lower($1)", full_path)
    return None if row is None else namespace_of(row)


async def personal_namespace(db: Database, user_id: int) -> Namespace:
    """Give the user's own namespace; every user has one."""
    row = await db.fetchrow("SELECT * FROM namespaces WHERE owner_id = $1", user_id)
    assert row is not None  # noqa: S101  # made together with the user
    return namespace_of(row)


async def list_namespaces(db: Database, user: User | None, query: NamespaceQuery) -> Found[Namespace]:
    """List the namespaces to which ``user`` belongs, or all for an administrator.

    With ``minimum`` the user's own level counts, also for an administrator. A visitor belongs to none.
    """
    under = "n.id IN (SELECT id FROM below)" if query.below else "n.parent_id = $6"
    condition = f"""{MEMBER_OF}{_BELOW if query.below else ""} SELECT %s FROM namespaces n
        WHERE ($3 OR n.id IN (SELECT id FROM mine) OR n.visibility >= $8)
          AND ($4::text IS NULL OR n.kind = $4)
          AND ($5::text IS NULL OR n.path ILIKE $5 OR n.name ILIKE $5)
          AND ($6::bigint IS NULL OR {under}) AND NOT ($7 AND n.parent_id IS NOT NULL)"""  # noqa: S608  # fixed texts only
    values = (
        user.id if user else 0, max(query.minimum, 1), bool(user and user.is_admin and not query.minimum),
        query.kind and query.kind.value, contains(query.search), query.parent_id, query.top, query.visible,
    )  # fmt: skip
    direction = "DESC" if query.descending else "ASC"
    rows = await db.fetch(
        condition % "n.*"
        + f" ORDER BY {_ORDERS[query.order]} {direction}, n.id {direction} LIMIT $9 OFFSET $10",
        *values,
        query.limit,
        query.offset,
    )
    total = await db.fetchval(condition % "count(*)", *values)
    return Found([namespace_of(row) for row in rows], total)
