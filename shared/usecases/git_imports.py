"""Projects whose repository comes from another server: GitLab's import by URL."""

from __future__ import annotations

from shared.accounts.models import User
from shared.database.pool import Connection, Pool
from shared.database.transactions import transaction
from shared.gitlab.layout import REPOSITORY
from shared.jobs.models import ImportOrder
from shared.projects import store
from shared.projects.models import Project
from shared.remote.errors import BlockedUrl
from shared.settings.application import GIT, ApplicationSettings
from shared.snapshots import lifecycle
from shared.snapshots.lookups import find_entry
from shared.usecases.access import find_maintained_project, require_user
from shared.usecases.errors import (
    ContentThere,
    ImportRunning,
    ImportsDisabled,
    NotFound,
    RepositoryThere,
    RepositoryUrlRefused,
)
from shared.usecases.imports import ScheduledJob
from shared.usecases.job_origin import JobOrigin
from shared.usecases.job_queue import JobQueue
from shared.usecases.projects import ProjectRequest, Projects, translate_project_errors
from shared.usecases.relation_imports import is_importing
from shared.usecases.remote_repositories import RemoteRepositories, name_field
from shared.usecases.settings import InstanceSettings


class GitImports:
    """Creates projects with the content of repositories elsewhere, and fills empty ones."""

    def __init__(
        self,
        pool: Pool,
        queue: JobQueue,
        *,
        projects: Projects,
        settings: InstanceSettings,
        repositories: RemoteRepositories,
    ) -> None:
        self._pool = pool
        self._queue = queue
        self._projects = projects
        self._settings = settings
        self._repositories = repositories

    async def create(
        self, actor: User | None, request: ProjectRequest, url: str, *, origin: JobOrigin
    ) -> ScheduledJob:
        """Create a project, and import the repository at ``url`` into it. GitLab has no rate limit for that.

        Raises Unauthenticated, ImportsDisabled, FieldsInvalid, RemoteRepositoryRefused, and what
        ``Projects.create`` raises, in this order.
        """
        user = require_user(actor)
        settings = await self._enabled()
        with name_field():
            source = await self._repositories.find(url, settings)
        new = await self._projects.prepare(user, request)
        with translate_project_errors():
            async with transaction(self._pool) as db:
                project = await store.create_within_limit(db, new)
                order = ImportOrder(source=source)
                job = await self._queue.enqueue(db, order, project=project, user=user, origin=origin)
        self._queue.announce(job)
        return ScheduledJob(project, job)

    async def fill(self, actor: User | None, reference: str, url: str, *, origin: JobOrigin) -> ScheduledJob:
        """Import the repository at ``url`` into a project that has no content, such as after a failed import.

        Raises Unauthenticated, NotFound, MovedProject, Denied, ImportsDisabled, ImportRunning,
        RepositoryThere, ContentThere, RepositoryUrlRefused and RemoteRepositoryRefused, in this order.
        """
        user = require_user(actor)
        project = await find_maintained_project(self._pool, user, reference)
        settings = await self._enabled()
        async with self._pool.acquire() as db:  # first without a lock: the server may take its time
            await _require_empty(db, project)
        try:
            source = await self._repositories.find(url, settings)
        except BlockedUrl as error:
            raise RepositoryUrlRefused(error) from None
        async with transaction(self._pool) as db:
            if not await store.lock(db, project.id):
                raise NotFound("Project")
            await _require_empty(db, project)
            order = ImportOrder(source=source)
            job = await self._queue.enqueue(db, order, project=project, user=user, origin=origin)
        self._queue.announce(job)
        return ScheduledJob(project, job)

    async def _enabled(self) -> ApplicationSettings:
        settings = await self._settings.current()
        if GIT not in settings.import_sources:
            raise ImportsDisabled
        return settings


async def _require_empty(db: Connection, project: Project) -> None:
    """Raise ImportRunning, RepositoryThere or ContentThere unless the project may be filled."""
    if await is_importing(db, project.id):
        raise ImportRunning
    snapshot_id = await lifecycle.current(db, project.id)
    if snapshot_id is None:
        return
    raise RepositoryThere if await find_entry(db, snapshot_id, REPOSITORY) else ContentThere
