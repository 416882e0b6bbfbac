"""Access levels: the highest of project, namespace and all ancestors of the namespace counts.

The owner of a personal namespace has the level OWNER there. Callers treat administrators themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from shared.accounts.models import AccessLevel
from shared.database.pool import Database

OWNER = AccessLevel.OWNER

_ANCESTRY = """WITH RECURSIVE line AS (
    SELECT id, parent_id, owner_id FROM namespaces WHERE id = {start}
    UNION ALL SELECT n.id, n.parent_id, n.owner_id FROM namespaces n JOIN line ON n.id = line.parent_id)
  SELECT coalesce(greatest(
    (SELECT max(m.access_level) FROM live_memberships m JOIN line ON m.namespace_id = line.id
     WHERE m.user_id = $1),
    (SELECT 50 FROM line WHERE owner_id = $1),
    {more}), 0)"""
LEVEL = f"""({
    _ANCESTRY.format(
        start="p.namespace_id",
        more="(SELECT access_level FROM live_memberships WHERE user_id = $1 AND project_id = p.id)",
    )
})"""  # noqa: S608  # fixed texts
"""SQL for the level of user $1 in project ``p``, memberships in its namespace and above included."""

_OF_NAMESPACE = _ANCESTRY.format(start="$2", more="NULL")
_OF_PROJECT = f"SELECT {LEVEL} FROM projects p WHERE p.id = $2"  # noqa: S608  # fixed texts
_OF_PROJECTS = f"SELECT p.id, {LEVEL} AS level FROM projects p WHERE p.id = ANY($2)"  # noqa: S608  # fixed texts


async def namespace_level(db: Database, user_id: int, namespace_id: int) -> AccessLevel:
    """Give the user's level in a namespace, memberships in its ancestors included."""
    return AccessLevel(await db.fetchval(_OF_NAMESPACE, user_id, namespace_id))


async def project_level(db: Database, user_id: int, project_id: int) -> AccessLevel:
    """Give the user's level in a project, memberships in its namespace and above included."""
    return AccessLevel(await db.fetchval(_OF_PROJECT, user_id, project_id) or AccessLevel.NONE)


async def project_levels(
    db: Database, user_id: int, project_ids: Collection[int]
) -> Mapping[int, AccessLevel]:
    """Give the user's levels in projects, by one statement; those that are gone are missing."""
    rows = await db.fetch(_OF_PROJECTS, user_id, list(project_ids))
    return {row["id"]: AccessLevel(row["level"]) for row in rows}
