"""Maps of people in Postgres: of a project, or of all projects in a namespace, where those have none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from asyncpg import ForeignKeyViolationError

from shared.database.pool import Database, Row
from shared.errors import Missing
from shared.people import people_map
from shared.people.people_map import PeopleMap

_FOUND = """SELECT m.*, n.full_path FROM people_maps m
            LEFT JOIN namespaces n ON n.id = m.namespace_id"""
COUNTING = """(
    WITH RECURSIVE line AS (
        SELECT id, parent_id, 1 AS distance FROM namespaces WHERE id = p.namespace_id
        UNION ALL SELECT n.id, n.parent_id, distance + 1
        FROM namespaces n JOIN line ON n.id = line.parent_id)
    SELECT m.id FROM people_maps m LEFT JOIN line ON line.id = m.namespace_id
    WHERE m.project_id = p.id OR line.id IS NOT NULL ORDER BY coalesce(distance, 0) LIMIT 1)"""
"""SQL for the number of the map that counts for project ``p``: its own, or that of the nearest namespace."""
_rows = msgspec.json.Decoder(list[people_map.Row])


class MapOwnerGone(Missing):
    """The project or the namespace was deleted at the same moment."""

    code = "map_owner_gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class MapOwner:
    """What has a map: a project or a namespace, by its id."""

    project_id: int | None = None
    namespace_id: int | None = None

    @property
    def column(self) -> str:
        """The column with its id."""
        return "namespace_id" if self.project_id is None else "project_id"

    @property
    def id(self) -> int | None:
        """Its id."""
        return self.namespace_id if self.project_id is None else self.project_id


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMap:
    """A map, the user name of who set it, and when.

    ``namespace`` is the full path of the namespace whose map it is, if it is one of a namespace.
    """

    people: PeopleMap
    author: str
    updated_at: datetime
    namespace: str | None


def _stored(row: Row) -> StoredMap:
    return StoredMap(
        people=PeopleMap(tuple(_rows.decode(row["people"]))),
        author=row["author"],
        updated_at=row["updated_at"],
        namespace=row["full_path"],
    )


async def find_map(db: Database, owner: MapOwner) -> StoredMap | None:
    """Find the map of a project or namespace itself."""
    row = await db.fetchrow(f"{_FOUND} WHERE m.{owner.column} = $1", owner.id)
    return _stored(row) if row else None


async def find_map_for(db: Database, project_id: int) -> StoredMap | None:
    """Find the map that counts for a project: its own, or that of the nearest namespace above."""
    row = await db.fetchrow(
        f"{_FOUND} WHERE m.id = (SELECT {COUNTING} FROM projects p WHERE p.id = $1)",  # noqa: S608  # fixed texts
        project_id,
    )
    return _stored(row) if row else None


async def find_numbered_map(db: Database, map_id: int) -> StoredMap | None:
    """Find a map by its number."""
    row = await db.fetchrow(f"{_FOUND} WHERE m.id = $1", map_id)
    return _stored(row) if row else None


async def set_map(db: Database, owner: MapOwner, people: PeopleMap, *, author: str) -> None:
    """Set the map of a project or namespace, in place of any other. Raises MapOwnerGone.

    It changes what is exported, and so counts as an activity of each project.
    """
    try:
        await db.execute(
            f"""INSERT INTO people_maps ({owner.column}, people, rows, author) VALUES ($1, $2, $3, $4)
                ON CONFLICT ({owner.column}) DO UPDATE SET people = excluded.people, rows = excluded.rows,
                    author = excluded.author, updated_at = now()""",  # noqa: S608  # fixed texts
            owner.id, msgspec.json.encode(people.rows).decode(), len(people.rows), author,
        )  # fmt: skip
    except ForeignKeyViolationError:
        raise MapOwnerGone from None
    await _note_activity(db, owner)


async def delete_map(db: Database, owner: MapOwner) -> bool:
    """Delete the map of a project or namespace; give whether there was one."""
    deleted: Any = await db.fetchval(
        f"DELETE FROM people_maps WHERE {owner.column} = $1 RETURNING true",  # noqa: S608  # fixed texts
        owner.id,
    )
    if deleted:
        await _note_activity(db, owner)
    return bool(deleted)


async def _note_activity(db: Database, owner: MapOwner) -> None:
    # Locked in one order, as others may do the same for a namespace above.
    await db.execute(
        """WITH RECURSIVE below AS (
               SELECT id FROM namespaces WHERE id = $2
               UNION ALL SELECT n.id FROM namespaces n JOIN below ON n.parent_id = below.id),
           concerned AS (
               SELECT id FROM projects WHERE id = $1 OR namespace_id IN (SELECT id FROM below)
               ORDER BY id FOR NO KEY UPDATE)
           UPDATE projects SET last_activity_at = clock_timestamp() WHERE id IN (SELECT id FROM concerned)""",
        owner.project_id, owner.namespace_id,
    )  # fmt: skip


async def leave_map(db: Database, project_id: int, *, to: int) -> None:
    """Give the map of a project that is replaced to the project that replaces it, unless that has one."""
    await db.execute(
        """UPDATE people_maps SET project_id = $2 WHERE project_id = $1
           AND NOT EXISTS (SELECT FROM people_maps WHERE project_id = $2)""",
        project_id, to,
    )  # fmt: skip
