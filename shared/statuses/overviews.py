"""Projects with their sizes, counts and last jobs, a page of them by one statement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from shared.accounts.models import AccessLevel, User
from shared.database.pool import Database, Row
from shared.gitlab.layout import FileKind, folder_of, relation_of
from shared.gitlab.visibility import Visibility
from shared.jobs.lists import project_scope
from shared.jobs.models import IMPORTS, JobKind, JobState
from shared.projects.access import LEVEL

_IMPORT_KINDS = ", ".join(f"'{kind.value}'" for kind in IMPORTS)
_LAST = """(SELECT jsonb_build_object('id', id, 'state', state, 'created_at', created_at,
                                       'finished_at', finished_at, 'username',
                                       (SELECT username FROM users u WHERE u.id = user_id)) FROM jobs
            WHERE project_id = p.id AND former_project_id IS NULL AND kind IN (%s) ORDER BY -id LIMIT 1)"""
_LAST_TIME = """coalesce((SELECT extract(epoch FROM created_at) * 1000000 FROM jobs
    WHERE project_id = p.id AND former_project_id IS NULL AND kind IN (%s)
    ORDER BY -id LIMIT 1), -1)::bigint"""


_RELATIONS = folder_of(FileKind.RELATION)
"""The folder of relations; the names in it lie between it and the next text in the order of bytes."""


class OverviewOrder(Enum):
    """By what a list of projects is sorted."""

    PATH = "path"
    SIZE = "size"
    LAST_ACTIVITY = "last_activity_at"
    LAST_IMPORT = "last_import_at"
    LAST_EXPORT = "last_export_at"


_KEYS = {
    OverviewOrder.PATH: """lower(n.full_path || '/' || p.path) COLLATE "C" """,
    OverviewOrder.SIZE: "coalesce(s.body_raw_size, -1)",
    OverviewOrder.LAST_ACTIVITY: "(extract(epoch FROM p.last_activity_at) * 1000000)::bigint",
    OverviewOrder.LAST_IMPORT: _LAST_TIME % _IMPORT_KINDS,
    OverviewOrder.LAST_EXPORT: _LAST_TIME % f"'{JobKind.EXPORT.value}'",
}
_PAGE = """{scope}, keyed AS (
    SELECT p.id, {key} AS key FROM scope c JOIN projects p ON p.id = c.id
    JOIN namespaces n ON n.id = p.namespace_id LEFT JOIN snapshots s ON s.id = p.snapshot_id
), page AS (SELECT * FROM keyed {after} ORDER BY key {direction}, id {direction} LIMIT {limit})
SELECT page.key, p.id, p.name, p.visibility, p.archived, p.created_at, p.last_activity_at,
    n.full_path || '/' || p.path AS full_path, p.snapshot_id IS NULL AS is_empty,
    s.body_raw_size AS size, s.body_size AS archive_size, s.entries,
    (SELECT jsonb_object_agg(name, lines) FROM entries e WHERE e.snapshot_id = p.snapshot_id
        AND e.kind = 'relation' AND e.name > '{folder}' AND e.name < '{behind_folder}') AS relations,
    (SELECT count(*) FROM pushes u JOIN snapshots o ON o.id = u.snapshot_id WHERE o.project_id = p.id
        AND o.committed_at IS NULL AND u.expires_at > now()) AS snapshots,
    {level} AS level, EXISTS (SELECT FROM archives a WHERE a.project_id = p.id AND a.user_id = {viewer}
        AND a.expires_at > now()) AS has_archive,
    {last_import} AS last_import, {last_export} AS last_export
FROM page JOIN projects p ON p.id = page.id JOIN namespaces n ON n.id = p.namespace_id
    LEFT JOIN snapshots s ON s.id = p.snapshot_id
ORDER BY page.key {direction}, page.id {direction}"""


@dataclass(frozen=True, slots=True)
class OverviewPosition:
    """Where a page begins: behind the project with this id, by what the list is sorted by."""

    key: str | int
    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewQuery:
    """Which projects to list, and in which order.

    ``search`` is a part of the full path; ``namespace_id`` is one that the project is in, at any depth.
    """

    search: str | None = None
    namespace_id: int | None = None
    order: OverviewOrder = OverviewOrder.LAST_ACTIVITY
    ascending: bool = False
    after: OverviewPosition | None = None
    limit: int = 20


@dataclass(frozen=True, slots=True)
class LastJob:
    """The newest import or export of a project, and the name of who asked for it, if that user is there."""

    id: int
    state: JobState
    created_at: datetime
    finished_at: datetime | None
    username: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectOverview:
    """A project, the user's level in it, and what it has.

    ``size`` is that of its content, unpacked, and ``archive_size`` that of the same in an archive, both
    without what an export adds; with ``entries`` they are None while nobody has counted them, as of content
    that requests wrote. ``relations`` are numbers of records, by relation. ``snapshots`` are open ones.
    ``has_archive`` is whether there is an export that the user has asked for, and may download.
    """

    position: OverviewPosition
    level: AccessLevel
    full_path: str
    name: str
    visibility: Visibility
    archived: bool
    is_empty: bool
    created_at: datetime
    last_activity_at: datetime
    size: int | None
    archive_size: int | None
    entries: int | None
    relations: Mapping[str, int]
    snapshots: int
    has_archive: bool
    last_import: LastJob | None
    last_export: LastJob | None


async def list_overviews(db: Database, user: User, query: OverviewQuery) -> list[ProjectOverview]:
    """List projects that the user maintains or owns; all for an administrator."""
    values: list[object] = [] if user.is_admin else [user.id, AccessLevel.MAINTAINER]
    scope = project_scope(values, search=query.search, namespace_id=query.namespace_id, of_all=user.is_admin)
    after = _after(query, values)
    statement = _PAGE.format(
        folder=_RELATIONS,
        behind_folder=_RELATIONS[:-1] + chr(ord(_RELATIONS[-1]) + 1),
        scope=scope,
        level=int(AccessLevel.OWNER) if user.is_admin else LEVEL,
        viewer=int(user.id),
        key=_KEYS[query.order],
        after=after,
        direction="ASC" if query.ascending else "DESC",
        limit=int(query.limit),
        last_import=_LAST % _IMPORT_KINDS,
        last_export=_LAST % f"'{JobKind.EXPORT.value}'",
    )
    return [_overview(row) for row in await db.fetch(statement, *values)]


def _after(query: OverviewQuery, values: list[object]) -> str:
    """Make the SQL condition for the page, and add its values to ``values``."""
    if query.after is None:
        return ""
    values += [query.after.key, query.after.id]
    kind = "text" if query.order is OverviewOrder.PATH else "bigint"
    than = ">" if query.ascending else "<"
    return f"WHERE (key, id) {than} (${len(values) - 1}::{kind}, ${len(values)}::bigint)"


def _overview(row: Row) -> ProjectOverview:
    same = ("full_path", "name", "archived", "is_empty", "created_at", "last_activity_at", "size",
            "archive_size", "entries", "snapshots", "has_archive")  # fmt: skip
    return ProjectOverview(
        position=OverviewPosition(row["key"], row["id"]),
        level=AccessLevel(row["level"]),
        visibility=Visibility(row["visibility"]),
        relations={_relation(name): lines for name, lines in (row["relations"] or {}).items()},
        last_import=_last_job(row["last_import"]),
        last_export=_last_job(row["last_export"]),
        **{name: row[name] for name in same},
    )


def _relation(entry: str) -> str:
    return relation_of(entry) or entry


def _last_job(document: Mapping[str, Any] | None) -> LastJob | None:
    if document is None:
        return None
    finished = document["finished_at"]
    return LastJob(
        id=int(document["id"]),
        state=JobState(document["state"]),
        created_at=datetime.fromisoformat(document["created_at"]),
        finished_at=datetime.fromisoformat(finished) if finished else None,
        username=document["username"],
    )
