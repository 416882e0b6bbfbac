"""New projects of repositories of GitHub, by GitLab's own request for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from shared.accounts.errors import NamespaceGone
from shared.accounts.models import AccessLevel, Namespace, User
from shared.database.pool import Pool
from shared.database.transactions import transaction
from shared.gitlab.visibility import Visibility
from shared.jobs import store as jobs
from shared.jobs.models import IMPORTS, ImportOrder, JobKind
from shared.people.people_map import PeopleMap
from shared.projects import store
from shared.projects.content import without_nul
from shared.projects.people_maps import MapOwner, set_map
from shared.projects.rules import NameRefused, check_description, check_name, check_path
from shared.projects.store import NameTaken, NewProject, ProjectLimitReached
from shared.settings.application import GITHUB
from shared.usecases.access import (
    VisibleProject,
    find_visible_namespace,
    is_own_namespace_of_bot,
    require_user,
    require_visible,
)
from shared.usecases.errors import (
    GitHubImportNotFound,
    GitHubImportRefused,
    GitHubImportsDisabled,
    ImportEnded,
    NotFound,
    OwnerRequired,
    TargetNamespaceMissing,
    TargetNamespaceRefused,
)
from shared.usecases.github_repositories import GitHubRepositories, GitHubRepository, GitHubSource
from shared.usecases.imports import Imports, ScheduledJob
from shared.usecases.job_origin import JobOrigin
from shared.usecases.job_queue import JobQueue
from shared.usecases.settings import InstanceSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHubImportRequest:
    """An import to schedule, into the namespace with the full path ``namespace``.

    Without a ``name`` the project has that of the repository. ``people`` becomes its map of people.
    """

    source: GitHubSource
    namespace: str
    name: str | None
    people: PeopleMap | None = None


class GitHubImports:
    """Creates projects of repositories of GitHub, and cancels their imports."""

    def __init__(
        self,
        pool: Pool,
        queue: JobQueue,
        *,
        imports: Imports,
        settings: InstanceSettings,
        repositories: GitHubRepositories,
    ) -> None:
        self._pool = pool
        self._queue = queue
        self._imports = imports
        self._settings = settings
        self._repositories = repositories

    async def create(
        self, actor: User | None, request: GitHubImportRequest, *, origin: JobOrigin
    ) -> ScheduledJob:
        """Create a project, and import the repository into it.

        Raises Unauthenticated, RateLimited, GitHubBlocked, TargetNamespaceMissing, TargetNamespaceRefused,
        GitHubImportsDisabled, and what ``GitHubRepositories.find`` raises, in this order.
        """
        user, settings = require_user(actor), await self._settings.current()
        await self._imports.count(user, settings, GITHUB)
        api = await self._repositories.find_api(request.source.address, settings)
        namespace = await self._find_target(user, request.namespace)
        # GitLab asks GitHub before: nobody's token leaves a server that is not to use it.
        if GITHUB not in settings.import_sources:
            raise GitHubImportsDisabled
        found = await self._repositories.find(request.source, api, settings)
        new = _new_project(user, namespace, request, found)
        scheduled = await self._insert(user, new, found, origin, people=request.people)
        self._queue.announce(scheduled.job)
        return scheduled

    async def _find_target(self, user: User, full_path: str) -> Namespace:
        found = await find_visible_namespace(self._pool, user, full_path)
        if found is None:
            raise TargetNamespaceMissing
        if found.level < AccessLevel.MAINTAINER or is_own_namespace_of_bot(user, found.namespace):
            raise TargetNamespaceRefused
        return found.namespace

    async def _insert(
        self,
        user: User,
        new: NewProject,
        found: GitHubRepository,
        origin: JobOrigin,
        *,
        people: PeopleMap | None,
    ) -> ScheduledJob:
        order = ImportOrder(source=found.source, github=found.order)
        with _translate_errors():
            async with transaction(self._pool) as db:
                project = await store.create_within_limit(db, new)
                if people is not None:
                    await set_map(db, MapOwner(project_id=project.id), people, author=user.username)
                job = await self._queue.enqueue(db, order, project=project, user=user, origin=origin)
        return ScheduledJob(project, job)

    async def cancel(self, actor: User | None, project_id: int) -> ScheduledJob:
        """Cancel the import of a project as its owner; return the job as it is then.

        Raises Unauthenticated, GitHubImportNotFound, OwnerRequired and ImportEnded, in this order.
        """
        user = require_user(actor)
        found = await self._find_visible(user, project_id)
        job = await jobs.find_newest(self._pool, project_id, *IMPORTS)
        if job is None or job.kind is not JobKind.GITHUB_IMPORT:
            raise GitHubImportNotFound
        if found.level < AccessLevel.OWNER:
            raise OwnerRequired
        async with transaction(self._pool) as db:
            is_canceled = await jobs.cancel(db, job.id, by=user.id)
            now = await jobs.find(db, job.id) or job
        if not is_canceled:
            raise ImportEnded(now.state.value)
        return ScheduledJob(found.project, now)

    async def _find_visible(self, user: User, project_id: int) -> VisibleProject:
        try:
            return await require_visible(self._pool, user, await store.find_by_id(self._pool, project_id))
        except NotFound:
            raise GitHubImportNotFound from None


def _new_project(
    user: User, namespace: Namespace, request: GitHubImportRequest, found: GitHubRepository
) -> NewProject:
    """Make the project as GitLab does: a public repository is as visible as the namespace.

    Raises GitHubImportRefused with all that is wrong with it.
    """
    name, description = request.name or found.name, without_nul(found.described.description or "")
    problems = list(_problems(name, description))
    if problems:
        raise GitHubImportRefused(", ".join(map(str, problems)), cause=problems[0])
    return NewProject(
        namespace_id=namespace.id,
        creator_id=user.id,
        path=name,
        name=name,
        description=description or None,
        visibility=Visibility.PRIVATE if found.described.private else namespace.visibility,
    )


def _problems(name: str, description: str) -> Iterator[NameRefused]:
    checks: tuple[tuple[Callable[[str], str], str], ...] = (
        (check_name, name),
        (check_path, name),
        (check_description, description),
    )
    for check, value in checks:
        try:
            check(value)
        except NameRefused as error:
            yield error


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except NameTaken as error:
        raise GitHubImportRefused(str(error), cause=error) from None
    except ProjectLimitReached as error:
        raise GitHubImportRefused(f"Limit reached {error}", cause=error) from None
    except NamespaceGone:
        raise TargetNamespaceMissing from None
