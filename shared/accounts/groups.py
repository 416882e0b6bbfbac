"""Changes to groups."""

from __future__ import annotations

from dataclasses import dataclass

from asyncpg import UniqueViolationError

from shared.accounts.errors import NamespacePathTaken, VisibilityRefused
from shared.database.pool import Connection, Database
from shared.gitlab.visibility import Visibility

_BELOW = """WITH RECURSIVE below AS (
    SELECT id, full_path, full_name FROM namespaces WHERE id = $1
    UNION ALL SELECT n.id, b.full_path || '/' || n.path, b.full_name || ' / ' || n.name
    FROM namespaces n JOIN below b ON n.parent_id = b.id)"""
"""SQL that defines ``below``: namespace $1 and all its descendants, with full paths and names made anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupChanges:
    """What to change; None leaves an attribute as it is."""

    name: str | None = None
    path: str | None = None
    description: str | None = None
    visibility: Visibility | None = None


async def change_group(db: Connection, group_id: int, changes: GroupChanges) -> None:
    """Change a group; the old full paths of all projects below it redirect to them from then on.

    Call it within a transaction, which NamespacePathTaken and VisibilityRefused end. No group is created
    while it runs.
    """
    # The trigger that computes the full path of a new group takes this lock too: it must not read a parent
    # that is being renamed.
    await db.execute("SELECT pg_advisory_xact_lock(hashtext('crossdock.namespaces'))")
    if changes.visibility is not None:
        await _refuse_visibility(db, group_id, changes.visibility)
    await _remember_paths(db, group_id, changes.path)
    try:
        await db.execute(
            """UPDATE namespaces SET name = coalesce($2, name), path = coalesce($3, path),
                   description = coalesce($4, description), visibility = coalesce($5, visibility)
               WHERE id = $1""",
            group_id, changes.name, changes.path, changes.description, changes.visibility,
        )  # fmt: skip
    except UniqueViolationError:
        raise NamespacePathTaken(changes.path or "") from None
    await db.execute(
        f"""{_BELOW} UPDATE namespaces n SET full_path = b.full_path, full_name = b.full_name
            FROM below b WHERE n.id = b.id AND n.id <> $1""",  # noqa: S608  # fixed texts only
        group_id,
    )


async def _refuse_visibility(db: Connection, group_id: int, visibility: Visibility) -> None:
    """Raise VisibilityRefused: a group is at most as visible as its parent, and its content as itself."""
    found = await db.fetchrow(
        """SELECT p.visibility AS above,
                  EXISTS (SELECT FROM projects WHERE namespace_id = $1 AND visibility > $2) AS projects,
                  EXISTS (SELECT FROM namespaces WHERE parent_id = $1 AND visibility > $2) AS groups
           FROM namespaces n LEFT JOIN namespaces p ON p.id = n.parent_id WHERE n.id = $1""",
        group_id, visibility,
    )  # fmt: skip
    if found is None:
        return
    if found["above"] is not None and visibility > found["above"]:
        raise VisibilityRefused.by_parent(visibility, Visibility(found["above"]))
    if found["projects"]:
        raise VisibilityRefused(visibility, "since this group contains projects with higher visibility.")
    if found["groups"]:
        raise VisibilityRefused(visibility, "since there are sub-groups with higher visibility.")


async def _remember_paths(db: Connection, group_id: int, path: str | None) -> None:
    await db.execute(
        f"""{_BELOW} INSERT INTO old_paths (full_path, project_id)
            SELECT lower(b.full_path || '/' || p.path), p.id
            FROM below b JOIN projects p ON p.namespace_id = b.id
            WHERE (SELECT lower(path) <> lower($2) FROM namespaces WHERE id = $1)
            ON CONFLICT (full_path) DO UPDATE SET project_id = excluded.project_id""",  # noqa: S608  # the same
        group_id, path,
    )  # fmt: skip


async def delete_group(db: Database, group_id: int) -> None:
    """Delete a group with all groups and projects below it; the collector deletes their objects."""
    await db.execute("DELETE FROM namespaces WHERE id = $1", group_id)


async def free_path(db: Database, path: str, *, parent_id: int | None) -> str | None:
    """Give None where no namespace has the path; else the first free path with a number appended."""
    taken = await db.fetch(
        """SELECT lower(path) AS path FROM namespaces WHERE parent_id IS NOT DISTINCT FROM $2
           AND starts_with(lower(path), lower($1))""",
        path, parent_id,
    )  # fmt: skip
    paths = {row["path"] for row in taken}
    if path.lower() not in paths:
        return None
    return next(
        free for number in range(1, len(paths) + 1) if (free := f"{path}{number}").lower() not in paths
    )
