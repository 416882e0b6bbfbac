"""Imports of archives: checks, the new project and its job, and the status."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeAlias
from uuid import uuid4

from shared.accounts.errors import NamespaceGone
from shared.accounts.models import AccessLevel, Namespace, User
from shared.accounts.namespaces import personal_namespace
from shared.accounts.rate_limits import Quota, RateLimits
from shared.database.pool import Connection, Database, Pool
from shared.database.transactions import transaction
from shared.gitlab.relation_selection import RelationSelection
from shared.jobs.failed_relations import FailedRelation
from shared.jobs.models import GitHubOrder, ImportOrder, Job, PeerOrder, RemoteSource
from shared.people.people_map import PeopleMap
from shared.projects import people_maps, store
from shared.projects.models import Project
from shared.projects.people_maps import MapOwner
from shared.projects.rules import NameRefused, check_description, check_name, check_path
from shared.projects.store import NameTaken, NewProject, ProjectLimitReached
from shared.settings.application import GITHUB, GITLAB_PROJECT, ApplicationSettings
from shared.statuses.imports import find_import
from shared.usecases.access import (
    VisibleNamespace,
    find_member_namespace,
    is_own_namespace_of_bot,
    require_reached,
    require_user,
)
from shared.usecases.errors import (
    ImportNotAllowed,
    ImportNotSaved,
    ImportsDisabled,
    NamespaceInvalid,
    NoArchive,
)
from shared.usecases.job_origin import JobOrigin
from shared.usecases.job_queue import JobQueue
from shared.usecases.settings import InstanceSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """An import to schedule. ``namespace`` is an id or a full path; None means the user's own namespace.

    ``people`` becomes the map of people of the project. With ``import_members`` the members of the archive
    who are users here become members of the project. ``selection`` is what is imported of the archive.
    """

    path: str
    name: str | None
    namespace: str | None
    overwrite: bool
    override_params: Mapping[str, object]
    people: PeopleMap | None = None
    import_members: bool = False
    selection: RelationSelection | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """The archive of an import: an object in our storage, an upload in pieces, or a remote source.

    One of them is set. ``github`` says which repository it is, where the source is a GitHub, and ``peer``
    which project, where it is a peer.
    """

    object_id: int | None = None
    upload_id: int | None = None
    source: RemoteSource | None = None
    github: GitHubOrder | None = None
    peer: PeerOrder | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """The project to create. It takes the place of the project ``replaces`` when the import finishes."""

    namespace: Namespace
    path: str
    name: str
    replaces: Project | None


@dataclass(frozen=True, slots=True)
class ScheduledJob:
    """A job, and its project."""

    project: Project
    job: Job


@dataclass(frozen=True, slots=True)
class Admission:
    """The permission to import: the current settings, and the use of the rate limit, which can be undone."""

    settings: ApplicationSettings
    quota: Quota | None


@dataclass(frozen=True, slots=True)
class ImportStatus:
    """A project, its newest import with its last failures and its counts, and the user's access level."""

    project: Project
    job: Job | None
    failed: Sequence[FailedRelation]
    level: AccessLevel
    stats: Mapping[str, object] | None


ArchiveClaim: TypeAlias = Callable[[Connection], Awaitable[Archive]]
"""Claims an archive within the transaction of its import."""


class Imports:
    """Schedules imports and reports their status, for HTTP handlers, commands and retries."""

    def __init__(
        self, pool: Pool, queue: JobQueue, *, settings: InstanceSettings, limits: RateLimits
    ) -> None:
        self._pool = pool
        self._queue = queue
        self._settings = settings
        self._limits = limits

    async def admit(
        self,
        actor: User | None,
        *,
        settings: ApplicationSettings | None = None,
        counts: bool = True,
        source: str = GITLAB_PROJECT,
    ) -> Admission:
        """Check whether the user may import from ``source``, and count it for the rate limit if it counts.

        ``settings``: those that apply to the request, if the caller has read them already.

        Raises Unauthenticated, ImportsDisabled and RateLimited, in this order, which is GitLab's.
        """
        user = require_user(actor)
        settings = settings or await self._settings.current()
        if source not in settings.import_sources:
            raise ImportsDisabled
        return Admission(settings, await self.count(user, settings, source) if counts else None)

    async def count(self, user: User, settings: ApplicationSettings, source: str) -> Quota | None:
        """Count an import; those from GitHub have a limit of their own. Raises RateLimited."""
        if source == GITHUB:
            return await self._limits.count("github_import", user.id, limit=settings.github_import_limit)
        return await self._limits.count("project_import", user.id, limit=settings.project_import_limit)

    async def uncount(self, quota: Quota | None) -> None:
        """Undo the count of an import whose parameters were invalid."""
        await self._limits.uncount(quota)

    async def check_early(self, actor: User, request: ImportRequest) -> None:
        """Check what GitLab checks before the archive: the namespace exists, and the path is not blank.

        Raises NotFound and ImportNotSaved.
        """
        if request.namespace is not None:
            await find_member_namespace(self._pool, actor, request.namespace)
        if not request.path.strip():
            raise ImportNotSaved("Path can't be blank")

    async def find_destination(self, actor: User, request: ImportRequest) -> Destination:
        """Determine the project to create.

        Raises NotFound for a namespace in which the user has no access level, and ImportNotSaved for all
        other problems.
        """
        namespace = await self._find_permitted_namespace(actor, request.namespace)
        with _translate_errors():
            check_description(str(request.override_params.get("description", "")))
            return await _destination(self._pool, namespace, request)

    async def schedule(
        self, actor: User, request: ImportRequest, archive: Archive, *, origin: JobOrigin
    ) -> ScheduledJob:
        """Create the project and its queued job in one transaction, and announce the job.

        Raises what ``find_destination`` raises.
        """
        to = await self.find_destination(actor, request)
        async with transaction(self._pool) as db:
            scheduled = await self.insert(db, actor, request, to=to, archive=archive, origin=origin)
        self._queue.announce(scheduled.job)
        return scheduled

    async def insert(  # what a project and a job are made of
        self,
        db: Connection,
        actor: User,
        request: ImportRequest,
        *,
        to: Destination,
        archive: Archive,
        origin: JobOrigin,
    ) -> ScheduledJob:
        """Insert the project and its job in the caller's transaction. The caller announces the job.

        Raises ImportNotSaved if the path or the name is taken, or the limit of projects is reached.
        """
        with _translate_errors():
            limit = await store.lock_limit(db, to.namespace.id)
            if request.overwrite:
                to = await _look_again(db, to.namespace, request)
            new = NewProject(namespace_id=to.namespace.id, creator_id=actor.id, path=to.path, name=to.name)
            project = await store.create(db, new, limit=limit)
        order = ImportOrder(
            override_params=request.override_params,
            replaces=to.replaces.full_path if to.replaces else None,
            source=archive.source,
            github=archive.github,
            peer=archive.peer,
            import_members=request.import_members,
            selection=request.selection,
        )
        if request.people is not None:
            owner = MapOwner(project_id=project.id)
            await people_maps.set_map(db, owner, request.people, author=actor.username)
        job = await self._queue.enqueue(
            db, order, project=project, user=actor, origin=origin,
            object_id=archive.object_id, upload_id=archive.upload_id,
        )  # fmt: skip
        return ScheduledJob(project, job)

    async def status(self, actor: User | None, reference: str) -> ImportStatus:
        """Return the status of the newest import of a project.

        If ``reference`` is a path, a newer import that will overwrite this project counts as well.

        Raises Unauthenticated, NotFound and MovedProject.
        """
        require_user(actor)
        found = await find_import(self._pool, actor, reference)
        visible = await require_reached(self._pool, actor, reference, found.reached if found else None)
        assert found is not None  # noqa: S101  # ``require_reached`` raises
        project, job = visible.project, found.job
        if job is not None and job.project_id != project.id:
            project = await store.find_by_id(self._pool, job.project_id) or project
        return ImportStatus(project, job, found.failed, visible.level, found.stats)

    async def _find_permitted_namespace(self, actor: User, reference: str | None) -> Namespace:
        if reference is None:
            found = VisibleNamespace(await personal_namespace(self._pool, actor.id), AccessLevel.OWNER)
        else:
            found = await find_member_namespace(self._pool, actor, reference)
        if found.level < AccessLevel.DEVELOPER or is_own_namespace_of_bot(actor, found.namespace):
            raise NamespaceInvalid
        if found.level < AccessLevel.MAINTAINER:
            raise ImportNotAllowed
        return found.namespace


async def _destination(db: Database, namespace: Namespace, request: ImportRequest) -> Destination:
    path = check_path(request.path)
    name = check_name(request.name) if request.name and request.name.strip() else None
    replaced = None
    if request.overwrite:
        replaced = await store.find_by_path(db, f"{namespace.full_path}/{path}")
    if replaced is not None:
        path = f"{path}-{uuid4().hex}"
        # The replaced project has this name until the import finishes, and passes it on then.
        name = None if name == replaced.name else name
    return Destination(namespace=namespace, path=path, name=name or path, replaces=replaced)


async def _look_again(db: Connection, namespace: Namespace, request: ImportRequest) -> Destination:
    """Determine the project of an overwrite, with its path locked: another may have been created there."""
    await store.lock_path(db, namespace.id, check_path(request.path))
    return await _destination(db, namespace, request)


def require_archive_name(name: str) -> None:
    """Raise NoArchive if the file's name is not that of an archive."""
    if PurePosixPath(name).suffix != ".gz":
        raise NoArchive


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except (NameRefused, NameTaken) as error:
        raise ImportNotSaved(str(error), cause=error) from None
    except ProjectLimitReached as error:
        raise ImportNotSaved(f"Limit reached {error}", cause=error) from None
    except NamespaceGone:
        raise NamespaceInvalid from None
