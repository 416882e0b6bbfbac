"""Lists, shows, creates, changes and deletes projects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from shared.accounts.errors import NamespaceGone, VisibilityRefused
from shared.accounts.models import AccessLevel, Namespace, User
from shared.accounts.namespaces import personal_namespace
from shared.database.pool import Pool
from shared.database.search import Found
from shared.database.transactions import transaction
from shared.errors import ArchiveError, StorageError
from shared.git.bundle_references import TooManyReferences
from shared.gitlab.visibility import Visibility
from shared.jobs import store as jobs
from shared.jobs.models import IMPORTS, Job
from shared.projects import changes, store
from shared.projects.changes import ProjectChanges
from shared.projects.models import Project
from shared.projects.rules import NameRefused, check_description, check_name, check_path
from shared.projects.store import NameTaken, NewProject, ProjectLimitReached, ProjectQuery
from shared.snapshots.models import PlacedEntry
from shared.snapshots.statistics import Statistics, statistics
from shared.usecases.access import (
    VisibleNamespace,
    VisibleProject,
    find_member_namespace,
    find_visible_project,
    is_own_namespace_of_bot,
    read_visible_project,
    require_user,
)
from shared.usecases.content import ReadableContent
from shared.usecases.errors import FieldsInvalid, NotFound
from shared.usecases.policy import Kind
from shared.usecases.repository import Repositories

TAKEN = "has already been taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectRequest:
    """A project to create; without ``namespace_id`` it is created in the user's own namespace."""

    name: str
    path: str
    namespace_id: int | None
    description: str | None
    visibility: Visibility


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectDetails:
    """A project with its details. ``statistics`` is None unless requested by a user who may see them."""

    project: Project
    level: AccessLevel
    imported: Job | None
    is_empty: bool
    default_branch: str | None
    statistics: Statistics | None


class Projects:
    """Lists, shows, creates, changes and deletes projects."""

    def __init__(self, pool: Pool, *, repositories: Repositories) -> None:
        self._pool = pool
        self._repositories = repositories

    async def list(self, actor: User | None, query: ProjectQuery) -> Found[Project]:
        """List the projects that match ``query`` and that the user may see."""
        return await store.list_projects(self._pool, actor, query)

    async def show(
        self, actor: User | None, reference: str, *, with_statistics: bool = False
    ) -> ProjectDetails:
        """Return a project with its details. Raises NotFound and MovedProject."""
        details = partial(self._details, with_statistics=with_statistics)
        return await read_visible_project(self._pool, actor, reference, details)

    async def create(self, actor: User | None, request: ProjectRequest) -> Project:
        """Create an empty project. Raises Unauthenticated, NotFound and FieldsInvalid."""
        new = await self.prepare(require_user(actor), request)
        with translate_project_errors():
            async with transaction(self._pool) as db:
                return await store.create_within_limit(db, new)

    async def prepare(self, user: User, request: ProjectRequest) -> NewProject:
        """Check a project to create. Raises NotFound and FieldsInvalid."""
        namespace = await self._find_permitted_namespace(user, request.namespace_id)
        refuse_visibility(request.visibility, namespace)
        with translate_project_errors():
            return NewProject(
                namespace_id=namespace.id, creator_id=user.id, path=check_path(request.path),
                name=check_name(request.name), visibility=request.visibility,
                description=check_description(request.description or "") or None,
            )  # fmt: skip

    async def find_to_change(self, actor: User | None, reference: str) -> VisibleProject:
        """Return a project to change. Call this before the changes are parsed, as GitLab reports it first.

        Raises Unauthenticated, NotFound and MovedProject.
        """
        require_user(actor)
        return await find_visible_project(self._pool, actor, reference)

    async def change(
        self, found: VisibleProject, request: ProjectChanges, *, with_statistics: bool = False
    ) -> ProjectDetails:
        """Change a project as its maintainer, or, for a new name or visibility, as its owner.

        Raises Denied, FieldsInvalid and NotFound.
        """
        is_for_owners = request.name or request.visibility is not None
        project = found.require(AccessLevel.OWNER if is_for_owners else AccessLevel.MAINTAINER)
        if request.visibility is not None:
            refuse_visibility(request.visibility, project.namespace)
        with translate_project_errors():
            async with self._pool.acquire() as db, db.transaction():
                await changes.change(db, project.id, request)
        return await self._reload(found, with_statistics=with_statistics)

    async def archive(
        self, actor: User | None, reference: str, *, archived: bool, with_statistics: bool = False
    ) -> ProjectDetails:
        """Archive or unarchive a project as its owner.

        Raises Unauthenticated, NotFound, MovedProject and Denied.
        """
        found = await self.find_to_change(actor, reference)
        project = found.require(AccessLevel.OWNER)
        await changes.set_archived(self._pool, project.id, archived=archived)
        return await self._reload(found, with_statistics=with_statistics)

    async def delete(self, actor: User | None, reference: str) -> None:
        """Delete a project as its owner. Raises Unauthenticated, NotFound, MovedProject and Denied."""
        found = await self.find_to_change(actor, reference)
        await store.delete(self._pool, found.require(AccessLevel.OWNER).id)

    async def _reload(self, found: VisibleProject, *, with_statistics: bool) -> ProjectDetails:
        project = await store.find_by_id(self._pool, found.project.id)
        if project is None:
            raise NotFound("Project")
        return await self._details(replace(found, project=project), with_statistics=with_statistics)

    async def _details(self, found: VisibleProject, *, with_statistics: bool) -> ProjectDetails:
        project, level = found.project, found.level
        imported = await jobs.find_newest(self._pool, project.id, *IMPORTS)
        content = await self._repositories.describe(found)
        bundle = await self._repositories.find_bundle(content)
        shows = with_statistics and level >= AccessLevel.REPORTER
        return ProjectDetails(
            project=project,
            level=level,
            imported=imported,
            is_empty=bundle is None,
            default_branch=await self._default_branch(content, bundle),
            statistics=await self._statistics(content) if shows else None,
        )

    async def _default_branch(self, content: ReadableContent, bundle: PlacedEntry | None) -> str | None:
        """Return the default branch; None if it cannot be read, so that the project can be shown anyway.

        None also for who may not read the code.
        """
        if not content.policy.may_list(Kind.CODE):
            return None
        try:
            return (await self._repositories.read(bundle)).default_branch
        except (TooManyReferences, ArchiveError, StorageError):
            return None

    async def _statistics(self, content: ReadableContent) -> Statistics:
        snapshot_id = content.snapshot_id
        return Statistics() if snapshot_id is None else await statistics(self._pool, snapshot_id)

    async def _find_permitted_namespace(self, user: User, namespace_id: int | None) -> Namespace:
        if namespace_id is None:
            found = VisibleNamespace(await personal_namespace(self._pool, user.id), AccessLevel.OWNER)
        else:
            found = await find_member_namespace(self._pool, user, str(namespace_id))
        if found.level < AccessLevel.DEVELOPER or is_own_namespace_of_bot(user, found.namespace):
            raise FieldsInvalid({"namespace": ["is not valid"]})
        return found.namespace


def refuse_visibility(visibility: Visibility, namespace: Namespace) -> None:
    """Raise FieldsInvalid if a project would be more visible than its group."""
    if visibility > namespace.visibility:
        refused = VisibilityRefused(visibility, f"in a {namespace.visibility.word} group.")
        raise FieldsInvalid({"visibility_level": [str(refused)]}, cause=refused)


@contextmanager
def translate_project_errors() -> Iterator[None]:
    """Translate the errors of a project's attributes into FieldsInvalid."""
    try:
        yield
    except ProjectLimitReached as error:
        raise FieldsInvalid({"limit_reached": [str(error)]}, cause=error) from None
    except NameRefused as error:
        raise FieldsInvalid({error.field: [str(error)]}, cause=error) from None
    except NameTaken as error:
        raise FieldsInvalid({error.field: [TAKEN]}, cause=error) from None
    except NamespaceGone as error:
        raise FieldsInvalid({"namespace": ["is not valid"]}, cause=error) from None


def check_attributes(
    name: str | None, path: str | None, description: str | None
) -> tuple[str | None, str | None]:
    """Check the attributes that are not None, and return the cleaned name and path. Raises FieldsInvalid."""
    with translate_project_errors():
        check_description(description or "")
        return None if name is None else check_name(name), None if path is None else check_path(path)
