"""Lists of jobs, for administrators and for maintainers of projects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from shared.accounts.models import AccessLevel, User
from shared.accounts.namespaces import MEMBER_OF
from shared.database.pool import Database
from shared.database.search import contains
from shared.jobs.details import JobDetails, find_details
from shared.jobs.models import JobKind, JobReport, JobState
from shared.jobs.store import REPORTED, report_of

ADMINISTERED = f"""{MEMBER_OF}, administered AS (
    SELECT p.id FROM projects p WHERE p.namespace_id IN (SELECT id FROM mine)
    UNION SELECT m.project_id FROM live_memberships m
    WHERE m.user_id = $1 AND m.project_id IS NOT NULL AND m.access_level >= $2)"""  # noqa: S608  # fixed texts
_SHOWN = ", ".join(f"j.{column}" for column in REPORTED)


_NOT_REPLACED = """NOT EXISTS (
    SELECT FROM jobs later WHERE later.project_id = jobs.project_id AND later.id > jobs.id
    AND shown_kind(later.kind) = shown_kind(jobs.kind) AND later.user_id IS NOT DISTINCT FROM jobs.user_id
    AND later.parent_id IS NOT DISTINCT FROM jobs.parent_id
    AND later.payload ->> 'relation' IS NOT DISTINCT FROM jobs.payload ->> 'relation')"""
"""The SQL condition that no later job does what a job was to do: a retry is one that does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobQuery:
    """Which jobs to list, the newest first; a condition that is None is not applied.

    ``code`` is that of the error. ``not_replaced`` leaves out jobs with a later one in their place.
    ``search`` is a part of the full path of the project, and ``namespace_id`` a namespace that the project is
    in, at any depth. ``below`` is the id of the last job of the page before.
    """

    kinds: Sequence[JobKind] | None = None
    states: Sequence[JobState] | None = None
    search: str | None = None
    namespace_id: int | None = None
    code: str | None = None
    not_replaced: bool = False
    project_id: int | None = None
    user_id: int | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    finished_after: datetime | None = None
    finished_before: datetime | None = None
    below: int | None = None
    limit: int = 20


@dataclass(frozen=True, slots=True)
class ListedJob:
    """A job, the full path of its project, and its details; its progress lacks that of relations."""

    report: JobReport
    full_path: str
    details: JobDetails


def _conditions(query: JobQuery) -> Iterator[tuple[str, object]]:
    yield "kind = ANY", query.kinds and [kind.value for kind in query.kinds]
    yield "state = ANY", query.states and [state.value for state in query.states]
    yield "error_code =", query.code
    yield "project_id =", query.project_id
    yield "user_id =", query.user_id
    yield "created_at >", query.created_after
    yield "created_at <", query.created_before
    yield "finished_at >", query.finished_after
    yield "finished_at <", query.finished_before


def _newest(query: JobQuery, values: list[object], *more: str) -> str:
    """Make the SQL for the newest jobs that match ``query`` and ``more``, and add its values to ``values``.

    Narrow queries sort by -id, for which there are indexes: sorted by id, Postgres may walk all jobs.
    """
    narrow = bool(more) or any((query.project_id, query.user_id, query.states, query.code))
    conditions = [*more, _NOT_REPLACED] if query.not_replaced else list(more)
    for condition, value in _conditions(query):
        if value is not None:
            values.append(value)
            conditions.append(f"{condition} (${len(values)})")
    if query.below is not None:
        values.append(-query.below if narrow else query.below)
        conditions.append(f"{'-id >' if narrow else 'id <'} ${len(values)}")
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    order = "-id" if narrow else "id DESC"
    return f"SELECT * FROM jobs {where} ORDER BY {order} LIMIT {query.limit:d}"  # noqa: S608  # fixed texts


def _newest_of_each(query: JobQuery, values: list[object]) -> str:
    """Make the SQL for the newest jobs of some kinds and states: of each kind and state, then of these.

    In one go Postgres would sort all that match: no index has several of them in the order of their ids.
    """
    wanted = {"state": query.states or list(JobState)} | ({"kind": query.kinds} if query.kinds else {})
    lists, own = [], []
    for column, members in wanted.items():
        values.append([member.value for member in members])
        lists.append(f"unnest(${len(values)}::text[]) AS {column}s ({column})")
        own.append(f"{column} = {column}s.{column}")
    newest = _newest(replace(query, kinds=None, states=None), values, *own)
    return f"""SELECT newest.* FROM {" CROSS JOIN ".join(lists)} CROSS JOIN LATERAL ({newest}) newest
               ORDER BY newest.id DESC LIMIT {query.limit:d}"""  # noqa: S608  # fixed texts


def project_scope(values: list[object], *, search: str | None, namespace_id: int | None, of_all: bool) -> str:
    """Make the SQL of ``scope``, certain projects of all, or of those that are administered.

    ``search`` is a part of the full path, ``namespace_id`` a namespace that they are in, at any depth. Adds
    its values to ``values``, of which the first two are those of ``ADMINISTERED`` unless it is ``of_all``.
    """
    conditions = [] if of_all else ["p.id IN (SELECT id FROM administered)"]
    within = "within AS (SELECT NULL::bigint AS id)"
    if namespace_id is not None:
        values.append(namespace_id)
        conditions.append("p.namespace_id IN (SELECT id FROM within)")
        within = f"""within AS (SELECT ${len(values)}::bigint AS id
            UNION ALL SELECT n.id FROM namespaces n JOIN within ON n.parent_id = within.id)"""  # noqa: S608  # fixed texts
    if search:
        values.append(contains(search))
        conditions.append(f"n.full_path || '/' || p.path ILIKE ${len(values)}")
    before = "WITH RECURSIVE" if of_all else f"{ADMINISTERED},"
    return f"""{before} {within}, scope AS (
        SELECT p.id FROM projects p JOIN namespaces n ON n.id = p.namespace_id
        WHERE {" AND ".join(conditions) or "true"})"""  # noqa: S608  # fixed texts


def _newest_in_scope(query: JobQuery, values: list[object], *, administrator: User | None) -> tuple[str, str]:
    """Make the SQL that defines the projects, and that for the newest jobs of each of them."""
    if administrator is not None:
        values += [administrator.id, AccessLevel.MAINTAINER]
    before = project_scope(
        values, search=query.search, namespace_id=query.namespace_id, of_all=administrator is None
    )
    if query.user_id is not None:  # who has far fewer jobs than there are projects in scope, as a rule
        return before, _newest(query, values, "project_id IN (SELECT id FROM scope)")
    newest = _newest(query, values, "project_id = a.id")
    jobs = f"""SELECT newest.* FROM scope a CROSS JOIN LATERAL ({newest}) newest
               ORDER BY newest.id DESC LIMIT {query.limit:d}"""  # noqa: S608  # fixed texts
    return before, jobs


def _select_jobs(query: JobQuery, values: list[object], *, administrator: User | None) -> tuple[str, str]:
    """Make the SQL for the jobs, and what has to stand before it."""
    if administrator is not None or query.search or query.namespace_id is not None:
        return _newest_in_scope(query, values, administrator=administrator)
    is_narrow = query.project_id or query.user_id or query.code
    if (query.kinds or query.states) and not is_narrow:
        return "", _newest_of_each(query, values)
    return "", _newest(query, values)


def job_list_query(query: JobQuery, *, administrator: User | None) -> tuple[str, list[object]]:
    """Make the SQL of a list, and its values; see ``list_jobs``.

    Where it is about certain projects, it reads the newest jobs of each of these, not all jobs.
    """
    values: list[object] = []
    before, jobs = _select_jobs(query, values, administrator=administrator)
    return (
        f"""{before} SELECT {_SHOWN}, j.progress - 'relations' AS progress, now() AS read_at,
                   archive_of_job(ROW(j.*)::jobs) AS archive,
                   content_of_job(ROW(j.*)::jobs) AS content_sha256, n.full_path || '/' || p.path AS full_path
            FROM ({jobs}) j JOIN projects p ON p.id = j.project_id JOIN namespaces n ON n.id = p.namespace_id
            ORDER BY j.id DESC""",  # noqa: S608  # fixed texts
        values,
    )


async def list_jobs(db: Database, query: JobQuery, *, administrator: User | None) -> list[ListedJob]:
    """List jobs of the projects that ``administrator`` maintains or owns; of all projects for None.

    ``db`` shows one moment to its two statements.
    """
    sql, values = job_list_query(query, administrator=administrator)
    rows = await db.fetch(sql, *values)
    details = await find_details(db, [row["id"] for row in rows])
    return [ListedJob(report_of(row), row["full_path"], details[row["id"]]) for row in rows]
