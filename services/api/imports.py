"""Use cases of imports: what was asked for, whether it may be, and its job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from uuid import uuid4

from services.api.http.errors import Forbidden, Refused
from services.api.http.parameters import Checker
from services.api.http.uploads import UploadForm
from services.api.origin import Origin
from services.api.override_params import override_params
from services.api.permissions import is_own_of_bot, visible_namespace
from shared.accounts.errors import NamespaceGone
from shared.accounts.models import AccessLevel, Namespace, User
from shared.accounts.namespaces import personal_namespace
from shared.database.pool import Connection, Database
from shared.jobs import store as jobs
from shared.jobs.models import ImportOrder, Job, RemoteSource
from shared.projects import store
from shared.projects.models import Project
from shared.projects.rules import NameRefused, check_description, check_name, check_path
from shared.projects.store import LimitReached, NewProject, Taken
from shared.settings.application import GITLAB_PROJECT, ApplicationSettings

_NAMESPACES = ("namespace", "namespace_id", "namespace_path")
_NOT_GZIP = "You need to upload a GitLab project export archive (ending in .gz)."


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """What was asked for, read. ``namespace`` is an id or a full path, None for the caller's own."""

    path: str
    name: str | None
    namespace: str | None
    overwrite: bool
    override_params: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Where the archive lies: in an object of the store, or elsewhere."""

    object_id: int | None = None
    source: RemoteSource | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where the import goes; ``replaces`` is the project whose place it takes at its end."""

    namespace: Namespace
    path: str
    name: str
    replaces: Project | None


def read_upload(form: UploadForm) -> tuple[ImportRequest, Archive]:
    """Read the form. Raises 400 for what is missing or wrong, then 422 for a file that is no archive."""
    checker = Checker(form.fields)
    checker.require("path", or_null=True)
    require_file(checker, form)
    return read_request(checker), Archive(object_id=archive_of(form))


def require_file(checker: Checker, form: UploadForm) -> None:
    """Remember it where there is no file."""
    if form.file is None:
        checker.problem("file", "is invalid" if "file" in form.fields else "is missing")


def archive_of(form: UploadForm) -> int:
    """Give the object of the form's file. Raises 422 where that is no archive by its name."""
    assert form.file is not None  # noqa: S101  # it was required
    require_archive_name(form.file.file_name)
    return form.file.object_id


def require_archive_name(name: str) -> None:
    """Raise 422 for a file that is no archive by its name."""
    if PurePosixPath(name).suffix != ".gz":
        raise Refused(422, {"error": _NOT_GZIP})


def read_request(checker: Checker) -> ImportRequest:
    """Read what all imports have in common, and finish: raises 400 for all that is missing or wrong.

    What has to be there, the path among it, is required by who calls this.
    """
    path = checker.text("path") or ""
    name = checker.text("name")
    namespace = _namespace_reference(checker)
    overwrite = checker.boolean("overwrite", default=False)
    overrides = override_params(checker.mapping("override_params"), problems=checker.problems)
    checker.finish()
    assert overwrite is not None  # noqa: S101  # finish() raised
    return ImportRequest(
        path=path, name=name, namespace=namespace, overwrite=overwrite, override_params=overrides
    )


def _namespace_reference(checker: Checker) -> str | None:
    checker.exclusive(*_NAMESPACES)
    by_id = checker.integer("namespace_id")
    return (
        checker.text("namespace") or checker.text("namespace_path") or (None if by_id is None else str(by_id))
    )


def require_enabled(settings: ApplicationSettings) -> None:
    """Raise 403 where no archives may be imported."""
    if GITLAB_PROJECT not in settings.import_sources:
        raise Forbidden


async def look_ahead(db: Database, caller: User, wanted: ImportRequest) -> None:
    """Refuse what GitLab refuses before it looks at the archive: an unknown namespace, and a blank path."""
    if wanted.namespace is not None:
        await visible_namespace(db, caller, wanted.namespace)
    if not wanted.path.strip():
        raise Refused(400, "Path can't be blank")


async def place(db: Database, caller: User, wanted: ImportRequest) -> Destination:
    """Find where the import goes.

    Raises 404 for a namespace the caller does not belong to, and 400 with GitLab's text for the rest.
    """
    namespace = await _permitted_namespace(db, caller, wanted.namespace)
    with _told_as_gitlab_does():
        check_description(str(wanted.override_params.get("description", "")))
        return await _destination(db, namespace, wanted)


async def schedule(  # what a project and a job are made of
    db: Connection, caller: User, wanted: ImportRequest, *, to: Destination, archive: Archive, origin: Origin
) -> tuple[Project, Job]:
    """Make the project and its queued job, both or none; raises 400 where the place is taken."""
    order = ImportOrder(
        override_params=wanted.override_params,
        replaces=to.replaces.full_path if to.replaces else None,
        source=archive.source,
    )
    with _told_as_gitlab_does():
        async with db.transaction():
            await store.refuse_over_limit(db, to.namespace.id)
            project = await store.create(
                db, NewProject(namespace_id=to.namespace.id, creator_id=caller.id, path=to.path, name=to.name)
            )
            job = await jobs.enqueue(
                db, order, project_id=project.id, user_id=caller.id,
                correlation_id=origin.correlation_id, object_id=archive.object_id,
                max_attempts=origin.max_attempts, traceparent=origin.traceparent,
            )  # fmt: skip
    return project, job


async def _permitted_namespace(db: Database, caller: User, reference: str | None) -> Namespace:
    if reference is None:
        namespace, level = await personal_namespace(db, caller.id), AccessLevel.OWNER
    else:
        namespace, level = await visible_namespace(db, caller, reference)
    if level < AccessLevel.DEVELOPER or is_own_of_bot(caller, namespace):
        raise Refused(400, "Namespace is not valid")
    if level < AccessLevel.MAINTAINER:
        raise Refused(400, "User is not allowed to import projects")
    return namespace


async def _destination(db: Database, namespace: Namespace, wanted: ImportRequest) -> Destination:
    path = check_path(wanted.path)
    name = check_name(wanted.name) if wanted.name and wanted.name.strip() else None
    replaced = await store.find_by_path(db, f"{namespace.full_path}/{path}") if wanted.overwrite else None
    if replaced is not None:
        path = f"{path}-{uuid4().hex}"
        # Its name is free only at the end, and passes on to the new project then.
        name = None if name == replaced.name else name
    return Destination(namespace=namespace, path=path, name=name or path, replaces=replaced)


@contextmanager
def _told_as_gitlab_does() -> Iterator[None]:
    try:
        yield
    except (NameRefused, Taken) as error:
        raise Refused(400, str(error)) from None
    except LimitReached as error:
        raise Refused(400, f"Limit reached {error}") from None
    except NamespaceGone:
        raise Refused(400, "Namespace is not valid") from None
