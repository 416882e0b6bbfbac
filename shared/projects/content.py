"""What exports and imports read and change of a project, and how one takes the place of another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from asyncpg import UniqueViolationError

from shared.accounts.models import AccessLevel
from shared.database.pool import Connection, Database, Row
from shared.errors import CrossdockError, Fault
from shared.gitlab.visibility import VISIBILITIES, Visibility
from shared.projects import access
from shared.projects.former_jobs import leave_jobs
from shared.projects.people_maps import COUNTING, leave_map
from shared.projects.store import NameTaken, lock_path

_WORDS = {str(int(visibility)): visibility.word for visibility in Visibility}
# An override of the visibility is kept as it came out.
_APPLY = """UPDATE projects p SET description = coalesce($2, p.description), visibility = given.visibility,
    overrides = p.overrides || $4 || CASE WHEN $5 THEN
        jsonb_build_object('visibility', $6::jsonb ->> given.visibility::text) ELSE '{}' END
FROM (SELECT q.id, least(coalesce($3, q.visibility), n.visibility) AS visibility
      FROM projects q JOIN namespaces n ON n.id = q.namespace_id WHERE q.id = $1) given
WHERE p.id = given.id"""


class ProjectGone(CrossdockError):
    """The project was deleted while a job worked on it."""

    code = "project_gone"
    fault = Fault.CLIENT

    def __init__(self, project_id: int) -> None:
        super().__init__(f"project {project_id} does not exist any more")


class OverwriteRefused(CrossdockError):
    """The user may not replace another project (GitLab's text)."""

    code = "overwrite_refused"
    fault = Fault.CLIENT

    def __init__(self, username: str, user_id: int, namespace: str) -> None:
        super().__init__(f"User {username} ({user_id}) cannot overwrite a project in {namespace}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectContent:
    """``overrides`` win over the archive's attributes; ``attributes`` are used where there is no archive.

    ``people_map_id`` is the number of the map of people that counts for the project, if there is one.
    """

    full_path: str
    created_at: datetime
    overrides: Mapping[str, object]
    attributes: Mapping[str, object]
    people_map_id: int | None = None


async def project_content(db: Database, project_id: int) -> ProjectContent:
    """Read the attributes that an export needs. Raises ProjectGone."""
    row = await db.fetchrow(
        f"""SELECT n.full_path || '/' || p.path AS full_path, p.created_at, p.overrides, p.description,
                   p.visibility, {COUNTING} AS people_map_id
            FROM projects p JOIN namespaces n ON n.id = p.namespace_id WHERE p.id = $1""",  # noqa: S608  # fixed texts
        project_id,
    )
    if row is None:
        raise ProjectGone(project_id)
    return ProjectContent(
        full_path=row["full_path"],
        created_at=row["created_at"],
        overrides=row["overrides"],
        attributes={"description": row["description"], "visibility_level": row["visibility"]},
        people_map_id=row["people_map_id"],
    )


async def apply_attributes(
    db: Database,
    project_id: int,
    *,
    description: str | None,
    visibility: int | None,
    overrides: Mapping[str, object],
) -> None:
    """Set the archive's attributes; ``overrides`` win, except for empty strings and None.

    A NUL in the description is left out here; the stored archive keeps it. The visibility is limited by that
    of the namespace.
    """
    given = {name: value for name, value in overrides.items() if value not in ("", None)}
    described = given.get("description", description)
    is_overridden = "visibility" in given
    if is_overridden:
        visibility = VISIBILITIES[str(given.pop("visibility"))]
    await db.execute(
        _APPLY,
        project_id,
        described and without_nul(str(described)),
        visibility,
        given,
        is_overridden,
        _WORDS,
    )


def without_nul(text: str) -> str:
    """Remove NUL, which JSON can express and Postgres stores neither in text nor in jsonb."""
    return text.replace("\0", "")


async def forget_attributes(db: Database, project_id: int, *, but: Sequence[str]) -> None:
    """Reset the description, and all overridden attributes except those named in ``but``."""
    await db.execute(
        """UPDATE projects SET description = NULL, overrides = (
               SELECT coalesce(jsonb_object_agg(key, value) FILTER (WHERE key = ANY($2)), '{}')
               FROM jsonb_each(overrides))
           WHERE id = $1""",
        project_id, but,
    )  # fmt: skip


async def take_place(db: Connection, project_id: int, *, path: str, user_id: int | None) -> None:
    """Give the project this path of its namespace, in a transaction.

    A project that is there is deleted, and leaves its name, members, map of people and ended jobs. Several
    that take one place do so in the order of their commits, and the last one stands. Raises OverwriteRefused
    where ``user_id`` does not own the namespace, NameTaken where a group has the path or another project the
    name, and ProjectGone.
    """
    own = await db.fetchrow("SELECT namespace_id, name, path FROM projects WHERE id = $1", project_id)
    if own is None:
        raise ProjectGone(project_id)
    old = await _lock_place(db, project_id, namespace_id=own["namespace_id"], path=path)
    if old is None:
        place = (own["name"] if own["name"] != own["path"] else path, path)
    else:
        await _require_owner(db, user_id, own["namespace_id"])
        await _leave_members(db, old["id"], to=project_id)
        await leave_map(db, old["id"], to=project_id)
        await leave_jobs(db, old["id"], to=project_id)
        # Before the update: two projects of a namespace cannot have one path, not even within a transaction.
        await db.execute("DELETE FROM projects WHERE id = $1", old["id"])
        place = (old["name"], old["path"])
    try:
        await db.execute("UPDATE projects SET name = $2, path = $3 WHERE id = $1", project_id, *place)
    except UniqueViolationError as error:
        raise NameTaken("name" if error.constraint_name == "projects_name" else "path") from None


async def _lock_place(db: Connection, project_id: int, *, namespace_id: int, path: str) -> Row | None:
    """Lock a path, and find and lock the other project that is there.

    Its jobs are locked before it: one that is about to end has locked itself, and then needs the project.
    """
    await lock_path(db, namespace_id, path)
    condition = "namespace_id = $1 AND lower(path) = lower($2) AND id <> $3"
    values = (namespace_id, path, project_id)
    await db.execute(
        f"""SELECT FROM jobs WHERE finished_at IS NULL
            AND project_id IN (SELECT id FROM projects WHERE {condition}) ORDER BY id FOR UPDATE""",  # noqa: S608  # fixed texts
        *values,
    )
    return await db.fetchrow(
        f"SELECT id, name, path FROM projects WHERE {condition} FOR UPDATE",  # noqa: S608  # fixed texts
        *values,
    )


async def _leave_members(db: Connection, project_id: int, *, to: int) -> None:
    await db.execute(
        """INSERT INTO memberships (user_id, project_id, access_level, created_at, expires_at)
           SELECT user_id, $2, access_level, created_at, expires_at
           FROM memberships WHERE project_id = $1 ON CONFLICT DO NOTHING""",
        project_id, to,
    )  # fmt: skip


async def _require_owner(db: Connection, user_id: int | None, namespace_id: int) -> None:
    full_path = await db.fetchval("SELECT full_path FROM namespaces WHERE id = $1", namespace_id)
    user = await db.fetchrow("SELECT username, is_admin FROM users WHERE id = $1", user_id)
    if user is None or user_id is None:
        raise OverwriteRefused("(deleted)", user_id or 0, full_path)
    if not user["is_admin"] and await access.namespace_level(db, user_id, namespace_id) < AccessLevel.OWNER:
        raise OverwriteRefused(user["username"], user_id, full_path)
