"""Imports of one relation of an archive into an existing project."""

from __future__ import annotations

from dataclasses import dataclass

from asyncpg import UniqueViolationError

from shared.accounts.models import AccessLevel, User
from shared.database.pool import Connection, Pool, one_moment
from shared.database.transactions import transaction
from shared.errors import Denied, Missing
from shared.jobs import store as jobs
from shared.jobs.models import IMPORTS, Job, JobKind, RelationImportOrder
from shared.jobs.states import TERMINAL
from shared.projects import store
from shared.projects.models import Project
from shared.usecases.access import find_visible_project, require_user, require_visible
from shared.usecases.errors import NotAuthorized, NotFound, RelationImportRunning, UnknownRelation
from shared.usecases.imports import ScheduledJob
from shared.usecases.job_origin import JobOrigin
from shared.usecases.job_queue import JobQueue

RELATIONS = ("issues", "merge_requests", "milestones", "ci_pipelines")


class ProjectNotFound(Missing):
    """No project has this full path, or the user may not see it."""

    code = "project_not_found"

    def __init__(self) -> None:
        super().__init__("Project not found")


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationImportRequest:
    """A relation import to schedule. ``path`` is the full path of the project."""

    path: str
    relation: str
    object_id: int


@dataclass(frozen=True, slots=True)
class RelationImportList:
    """The relation imports of a project, the oldest first."""

    project: Project
    jobs: list[Job]


class RelationImports:
    """Schedules and lists relation imports. A project has at most one unfinished import."""

    def __init__(self, pool: Pool, queue: JobQueue) -> None:
        self._pool = pool
        self._queue = queue

    async def schedule(
        self, actor: User, request: RelationImportRequest, *, origin: JobOrigin
    ) -> ScheduledJob:
        """Insert the queued job, and announce it.

        Raises ProjectNotFound, UnknownRelation, NotAuthorized and RelationImportRunning, in GitLab's order.
        """
        async with transaction(self._pool) as db:
            project = await _project(db, actor, request)
            job = await self.insert(db, actor, project, RelationImportOrder(relation=request.relation),
                                    origin=origin, object_id=request.object_id)  # fmt: skip
        self._queue.announce(job)
        return ScheduledJob(project, job)

    async def insert(  # what a job is made of
        self,
        db: Connection,
        actor: User,
        project: Project,
        order: RelationImportOrder,
        *,
        origin: JobOrigin,
        object_id: int,
    ) -> Job:
        """Insert the job in a transaction.

        Raises RelationImportRunning if the project has an unfinished import.
        """
        if await is_importing(db, project.id):
            raise RelationImportRunning
        try:
            async with db.transaction():
                return await self._queue.enqueue(
                    db, order, project=project, user=actor, origin=origin, object_id=object_id
                )
        except UniqueViolationError:
            raise RelationImportRunning from None

    async def list(self, actor: User | None, reference: str) -> RelationImportList:
        """List the relation imports of a project that the user maintains.

        Raises Unauthenticated, NotFound, MovedProject and Denied.
        """
        require_user(actor)
        async with one_moment(self._pool) as db:
            found = await find_visible_project(db, actor, reference)
            if found.level < AccessLevel.MAINTAINER:
                raise Denied("Project")
            made = await jobs.list_all(db, found.project.id, JobKind.RELATION_IMPORT)
        return RelationImportList(found.project, made)


async def _project(db: Connection, actor: User, request: RelationImportRequest) -> Project:
    try:
        found = await require_visible(db, actor, await store.find_by_path(db, request.path))
    except NotFound:
        raise ProjectNotFound from None
    if request.relation not in RELATIONS:
        raise UnknownRelation
    if found.level < AccessLevel.MAINTAINER:
        raise NotAuthorized
    return found.project


async def is_importing(db: Connection, project_id: int) -> bool:
    """Return whether the project's import has not ended. Its end would replace all earlier content."""
    job = await jobs.find_newest(db, project_id, *IMPORTS)
    return job is not None and job.state not in TERMINAL
