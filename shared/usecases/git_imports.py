"""New projects whose repository comes from another server: GitLab's import by URL."""

from __future__ import annotations

from shared.accounts.models import User
from shared.database.pool import Pool
from shared.database.transactions import transaction
from shared.jobs.models import ImportOrder
from shared.projects import store
from shared.settings.application import GIT
from shared.usecases.access import require_user
from shared.usecases.errors import ImportsDisabled
from shared.usecases.imports import ScheduledJob
from shared.usecases.job_origin import JobOrigin
from shared.usecases.job_queue import JobQueue
from shared.usecases.projects import ProjectRequest, Projects, translate_project_errors
from shared.usecases.remote_repositories import RemoteRepositories
from shared.usecases.settings import InstanceSettings


class GitImports:
    """Creates projects with the content of repositories elsewhere."""

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

        Raises Unauthenticated, ImportsDisabled, and what ``RemoteRepositories.find`` and ``Projects.create``
        raise, in this order.
        """
        user = require_user(actor)
        settings = await self._settings.current()
        if GIT not in settings.import_sources:
            raise ImportsDisabled
        source = await self._repositories.find(url, settings)
        new = await self._projects.prepare(user, request)
        with translate_project_errors():
            async with transaction(self._pool) as db:
                project = await store.create_within_limit(db, new)
                order = ImportOrder(source=source)
                job = await self._queue.enqueue(db, order, project=project, user=user, origin=origin)
        self._queue.announce(job)
        return ScheduledJob(project, job)
