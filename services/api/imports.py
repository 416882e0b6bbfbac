"""Use cases of imports: what was asked for, whether it may be, and its job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from uuid import uuid4

from services.api.checks import Checker
from services.api.dependencies import Dependencies
from services.api.errors import Refused
from services.api.intake import UploadedFile, UploadForm
from services.api.override_params import override_params
from services.api.permissions import visible_namespace
from shared.accounts.models import AccessLevel, Namespace, User
from shared.accounts.namespaces import personal_namespace
from shared.database.pool import Database
from shared.jobs import store as jobs
from shared.jobs.models import ImportOrder, Job
from shared.projects import store
from shared.projects.models import Project
from shared.projects.rules import NameRefused, check_name, check_path
from shared.projects.store import NamespaceGone, NewProject, Taken

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
    file: UploadedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class _Destination:
    """Where the import goes; ``replaces`` is the project whose place it takes at its end."""

    namespace: Namespace
    path: str
    name: str
    replaces: Project | None


def read_request(form: UploadForm) -> ImportRequest:
    """Read the form. Raises 400 for what is missing or wrong, then 422 for a file that is no archive."""
    checker = Checker(form.fields)
    checker.require("path")
    if form.file is None:
        checker.problem("file", "is invalid" if "file" in form.fields else "is missing")
    path = checker.text("path")
    name = checker.text("name")
    namespace = _namespace_reference(checker)
    overwrite = checker.boolean("overwrite", default=False)
    overrides = override_params(checker.mapping("override_params"), problems=checker.problems)
    checker.finish()
    assert form.file is not None and path is not None and overwrite is not None  # noqa: S101, PT018  # finish() raised
    if PurePosixPath(form.file.file_name).suffix.lower() != ".gz":
        raise Refused(422, {"error": _NOT_GZIP})
    return ImportRequest(
        path=path,
        name=name,
        namespace=namespace,
        overwrite=overwrite,
        override_params=overrides,
        file=form.file,
    )


def _namespace_reference(checker: Checker) -> str | None:
    checker.exclusive(*_NAMESPACES)
    by_id = checker.integer("namespace_id")
    return (
        checker.text("namespace") or checker.text("namespace_path") or (None if by_id is None else str(by_id))
    )


async def schedule(
    dependencies: Dependencies, caller: User, wanted: ImportRequest, *, correlation_id: str
) -> tuple[Project, Job]:
    """Make the project and its queued job, both or none.

    Raises 404 for a namespace the caller does not belong to, and 400 with GitLab's text for the rest.
    """
    namespace = await _permitted_namespace(dependencies.pool, caller, wanted.namespace)
    with _told_as_gitlab_does():
        destination = await _destination(dependencies.pool, namespace, wanted)
        async with dependencies.pool.acquire() as db, db.transaction():
            return await _insert(db, destination, wanted, caller=caller, correlation_id=correlation_id,
                                 attempts=dependencies.config.job_attempts)  # fmt: skip


async def _permitted_namespace(db: Database, caller: User, reference: str | None) -> Namespace:
    if reference is None:
        return await personal_namespace(db, caller.id)
    namespace, level = await visible_namespace(db, caller, reference)
    if level < AccessLevel.DEVELOPER:
        raise Refused(400, "Namespace is not valid")
    if level < AccessLevel.MAINTAINER:
        raise Refused(400, "User is not allowed to import projects")
    return namespace


async def _destination(db: Database, namespace: Namespace, wanted: ImportRequest) -> _Destination:
    path = check_path(wanted.path)
    name = check_name(wanted.name) if wanted.name and wanted.name.strip() else None
    replaced = await store.find_by_path(db, f"{namespace.full_path}/{path}") if wanted.overwrite else None
    if replaced is not None:
        path = f"{path}-{uuid4().hex}"
        # Its name is free only at the end, and passes on to the new project then.
        name = None if name == replaced.name else name
    return _Destination(namespace=namespace, path=path, name=name or path, replaces=replaced)


async def _insert(  # what a project and a job are made of
    db: Database, to: _Destination, wanted: ImportRequest, *, caller: User, correlation_id: str, attempts: int
) -> tuple[Project, Job]:
    project = await store.create(
        db, NewProject(namespace_id=to.namespace.id, creator_id=caller.id, path=to.path, name=to.name)
    )
    order = ImportOrder(
        override_params=wanted.override_params, replaces=to.replaces.full_path if to.replaces else None
    )
    job = await jobs.enqueue(
        db, order, project_id=project.id, user_id=caller.id, correlation_id=correlation_id,
        object_id=wanted.file.object_id, max_attempts=attempts,
    )  # fmt: skip
    return project, job


@contextmanager
def _told_as_gitlab_does() -> Iterator[None]:
    try:
        yield
    except (NameRefused, Taken) as error:
        raise Refused(400, str(error)) from None
    except NamespaceGone:
        raise Refused(400, "Namespace is not valid") from None
