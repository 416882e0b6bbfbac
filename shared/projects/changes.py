"""Changes that maintainers make to a project; exports contain them."""

from __future__ import annotations

from dataclasses import dataclass

from asyncpg import UniqueViolationError

from shared.database.pool import Connection, Database
from shared.gitlab.visibility import Visibility
from shared.projects.store import NameTaken


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectChanges:
    """What to change; None leaves an attribute as it is."""

    name: str | None = None
    path: str | None = None
    description: str | None = None
    visibility: Visibility | None = None


async def change(db: Connection, project_id: int, changes: ProjectChanges) -> None:
    """Change a project. Its old full path redirects to it until another project gets that path.

    Call it within a transaction, which NameTaken ends.
    """
    # The path before the row, as an import does that takes the place of a project.
    await db.execute("SELECT lock_path(namespace_id, path) FROM projects WHERE id = $1", project_id)
    await db.execute("SELECT FROM projects WHERE id = $1 FOR NO KEY UPDATE", project_id)
    await db.execute(
        """INSERT INTO old_paths (full_path, project_id)
           SELECT lower(n.full_path || '/' || p.path), p.id
           FROM projects p JOIN namespaces n ON n.id = p.namespace_id
           WHERE p.id = $1 AND lower(p.path) <> lower($2)
           ON CONFLICT (full_path) DO UPDATE SET project_id = excluded.project_id""",
        project_id, changes.path,
    )  # fmt: skip
    try:
        await db.execute(
            """UPDATE projects SET name = coalesce($2, name), path = coalesce($3, path),
                   description = coalesce($4, description), visibility = coalesce($5, visibility),
                   overrides = overrides || $6
               WHERE id = $1""",
            project_id, changes.name, changes.path, changes.description, changes.visibility,
            _overrides(changes),
        )  # fmt: skip
    except UniqueViolationError as error:
        raise NameTaken("name" if error.constraint_name == "projects_name" else "path") from None


def _overrides(changes: ProjectChanges) -> dict[str, object]:
    visibility = changes.visibility
    given = {
        "description": changes.description,
        "visibility": None if visibility is None else visibility.name.lower(),
    }
    return {name: value for name, value in given.items() if value is not None}


async def set_archived(db: Database, project_id: int, *, archived: bool) -> None:
    """Mark a project as archived, or as not archived; may be repeated."""
    await db.execute(
        "UPDATE projects SET archived = $2, overrides = overrides || $3 WHERE id = $1",
        project_id, archived, {"archived": archived},
    )  # fmt: skip


async def find_moved(db: Database, full_path: str) -> int | None:
    """Give the id of the project that had this full path before; case does not matter."""
    found: int | None = await db.fetchval(
        "SELECT project_id FROM old_paths WHERE full_path = lower($1)", full_path
    )
    return found
