"""A client of GitLab's project import/export API (v4)."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Self
from urllib.parse import quote
from uuid import uuid4

import msgspec
from aiohttp import ClientResponse, FormData
from yarl import URL

from services.cli.archive_source import find_size, read_stream
from services.cli.errors import UsageError, utf8
from services.cli.http import (
    RetryRule,
    Session,
    api_url,
    attempts,
    exchange,
    open_session,
    retry_if_keyed,
    retry_if_limited,
)
from services.cli.json_api import JsonApi
from services.cli.proxies import find_proxy
from services.cli.terminal import ByteReporter
from shared.gitlab.relation_selection import RelationSelection
from shared.lending import lent

_NAME = "project_export.tar.gz"
"""The file name of an archive that comes from a stream without one: GitLab wants one that ends in .gz."""

_CROSSDOCK = "crossdock"
"""The ``revision`` by which a Crossdock identifies itself in GET /version."""


class ProjectReference(msgspec.Struct, frozen=True):
    """The id and the path of a project."""

    id: int
    path_with_namespace: str


class RelationFailure(msgspec.Struct, frozen=True):
    """A record that an import left out. ``line_number`` counts from 0. A GitLab may leave fields null."""

    relation_name: str | None = None
    exception_class: str | None = None
    exception_message: str | None = None
    line_number: int | None = None


class ObjectStats(msgspec.Struct, frozen=True):
    """How many objects of each type an import from GitHub has fetched and imported."""

    fetched: Mapping[str, int] = {}
    imported: Mapping[str, int] = {}


class ImportStatusAnswer(msgspec.Struct, frozen=True):
    """GitLab's ProjectImportStatus, reduced to the fields that the command line uses."""

    id: int
    path_with_namespace: str
    import_status: str
    import_error: str | None = None
    failed_relations: list[RelationFailure] = []
    stats: ObjectStats | None = None


class ExportStatusAnswer(msgspec.Struct, frozen=True):
    """GitLab's ProjectExportStatus, reduced to the fields that the command line uses."""

    id: int
    path_with_namespace: str
    export_status: str


def selection_parameters(selection: RelationSelection | None) -> dict[str, str]:
    """Return the parameters of a selection, with names between commas, as forms and JSON may have them."""
    if selection is None:
        return {}
    if selection.relations is not None:
        return {"relations": ",".join(selection.relations)}
    return {"excluded_relations": ",".join(selection.excluded_relations)}


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """The parameters of an import. Without a ``namespace`` the project goes to the user's own."""

    path: str
    namespace: str | None = None
    name: str | None = None
    overwrite: bool = False
    overrides: Mapping[str, str] | None = None
    people: str | None = None
    import_members: bool = False
    selection: RelationSelection | None = None

    @classmethod
    def to(cls, full_path: str, *, name: str | None, overwrite: bool, overrides: Mapping[str, str]) -> Self:
        """Make a request for the project ``full_path``, ``group/subgroup/project``."""
        namespace, _, path = full_path.strip("/").rpartition("/")
        return cls(path, namespace or None, name, overwrite, overrides)

    def fields(self) -> dict[str, str]:
        """Return the fields of the form."""
        given = {
            "path": self.path, "namespace": self.namespace, "name": self.name, "people": self.people,
            "import_members": "true" if self.import_members else None,
        }  # fmt: skip
        fields = {key: value for key, value in given.items() if value is not None}
        overrides = {f"override_params[{key}]": value for key, value in (self.overrides or {}).items()}
        selection = selection_parameters(self.selection)
        return fields | ({"overwrite": "true"} if self.overwrite else {}) | selection | overrides

    def body(self) -> dict[str, object]:
        """Return the same as members of a JSON document."""
        flat = dataclasses.replace(self, overrides=None).fields()
        return {**flat, **({"override_params": dict(self.overrides)} if self.overrides else {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHubImportRequest:
    """GitLab's parameters of an import from GitHub, and Crossdock's ``people``, a map as CSV or JSON.

    ``github_hostname`` is None for github.com.
    """

    personal_access_token: str = field(repr=False)
    repo_id: int
    target_namespace: str
    new_name: str
    github_hostname: str | None
    optional_stages: Mapping[str, bool]
    people: str | None = None

    def body(self) -> dict[str, object]:
        """Return the body of the request."""
        every = ((each.name, getattr(self, each.name)) for each in fields(self))
        return {name: value for name, value in every if value is not None}


class _Watched(io.BufferedReader):
    """A file that reports how far it was read. aiohttp takes Content-Length from the size of a file."""

    def __init__(self, path: Path, report: ByteReporter) -> None:
        super().__init__(io.FileIO(path))
        self._report = report
        self._size = path.stat().st_size

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self._report(self.tell(), self._size)
        return data


async def _watched_stream(archive: Path, report: ByteReporter) -> AsyncGenerator[bytes, None]:
    done = 0
    async with aclosing(read_stream(archive)) as chunks:
        async for chunk in chunks:
            done += len(chunk)
            report(done, None)
            yield chunk


@dataclass(frozen=True, slots=True)
class UploadTarget:
    """Where the server sends an archive to, with PUT or POST. Whoever has the URL may write there.

    ``parts`` is instead of the URL: what the server takes as ``upload[parts]``.
    """

    url: str = field(repr=False)
    method: str
    parts: Mapping[str, object] | None = field(default=None, repr=False)

    @property
    def parameters(self) -> dict[str, object]:
        """What the server takes as ``upload``."""
        return {"url": self.url, "http_method": self.method} if self.parts is None else {"parts": self.parts}


@dataclass(frozen=True, slots=True)
class ScheduledImport:
    """An import that the server scheduled. ``job`` is its number, None at a GitLab."""

    status: ImportStatusAnswer
    job: int | None


class _Namespace(msgspec.Struct, frozen=True):
    id: int


class _User(msgspec.Struct, frozen=True):
    username: str


class _UserId(msgspec.Struct, frozen=True):
    id: int


class _GitHubImport(msgspec.Struct, frozen=True):
    id: int
    full_path: str
    import_status: str


class _Version(msgspec.Struct, frozen=True):
    revision: str = ""


class GitLabClient:
    """Calls GitLab's API below the URL ``api``. Every method raises RefusedByServer and ServerUnreachable."""

    def __init__(self, session: Session, api: str) -> None:
        self._json_api = JsonApi(session, api)
        self.session = session
        self.api = api

    async def import_file(
        self, archive: Path, upload: ImportRequest, report: ByteReporter
    ) -> ScheduledImport:
        """Upload ``archive`` and return the import that the server scheduled.

        A small request checks the token first, so that a wrong one is found before gigabytes are sent. A
        stream is sent once, as it cannot be read again.
        """
        on, headers = await self._effective_once()
        if find_size(archive) is None:
            return await self._import_stream(archive, upload, report, headers)
        async for attempt in attempts(on):
            with attempt, _Watched(archive, report) as file:
                return await self._post_import(file, archive.name, upload, headers)
        raise AssertionError("the last attempt raises")

    async def import_again(
        self, read: Callable[[], AsyncGenerator[bytes, None]], upload: ImportRequest
    ) -> ScheduledImport:
        """Upload what ``read`` gives, which is called again for each attempt; and see ``import_file``."""
        on, headers = await self._effective_once()
        async for attempt in attempts(on):
            with attempt:
                async with aclosing(read()) as pieces, lent(pieces) as body:
                    return await self._post_import(body, _NAME, upload, headers)
        raise AssertionError("the last attempt raises")

    async def _import_stream(
        self, archive: Path, upload: ImportRequest, report: ByteReporter, headers: Mapping[str, str]
    ) -> ScheduledImport:
        name = archive.name if archive.suffix == ".gz" else _NAME
        async with aclosing(_watched_stream(archive, report)) as stream, lent(stream) as body:
            return await self._post_import(body, name, upload, headers)

    async def _post_import(
        self,
        file: _Watched | AsyncIterator[bytes],
        name: str,
        upload: ImportRequest,
        headers: Mapping[str, str],
    ) -> ScheduledImport:
        form = FormData(upload.fields(), default_to_multipart=True)
        form.add_field("file", file, filename=utf8(name), content_type="application/gzip")
        answer = await self._json_api.call_once(
            "POST", "/projects/import", ImportStatusAnswer, data=form, headers=headers
        )
        return ScheduledImport(answer.body, answer.job)

    async def import_remote(self, path: str, body: Mapping[str, object]) -> ScheduledImport:
        """Have the server fetch an archive: ``path`` and ``body`` are of one of its remote imports."""
        on, headers = await self._effective_once()
        answer = await self._json_api.call(
            "POST", path, ImportStatusAnswer, on=on, json=dict(body), headers=headers
        )
        return ScheduledImport(answer.body, answer.job)

    async def import_repository(self, url: str, to: ImportRequest) -> ScheduledImport:
        """Create a project of the repository at ``url``; return the import that the server scheduled."""
        on, headers = await self._effective_once()
        body: dict[str, object] = {"path": to.path, "name": to.name or to.path, "import_url": url}
        if to.namespace is not None:
            found = f"/namespaces/{quote(to.namespace, safe='')}"
            body["namespace_id"] = (await self._json_api.call("GET", found, _Namespace)).body.id
        answer = await self._json_api.call(
            "POST", "/projects", ImportStatusAnswer, on=on, json=body, headers=headers
        )
        return ScheduledImport(answer.body, answer.job)

    async def own_namespace(self) -> str:
        """Return the path of the user's own namespace."""
        return (await self._json_api.call("GET", "/user", _User)).body.username

    async def own_id(self) -> int:
        """Return the id of the user."""
        return (await self._json_api.call("GET", "/user", _UserId)).body.id

    async def user_id(self, username: str) -> int:
        """Return the id of another user. Raises UsageError where there is none, or none that is shown."""
        found = await self._json_api.call("GET", "/users", list[_UserId], params={"username": username})
        if not found.body:
            raise UsageError(f"there is no user {username!r}")
        return found.body[0].id

    async def import_from_github(self, request: GitHubImportRequest) -> ScheduledImport:
        """Create a project of a repository of GitHub; return the import that the server scheduled."""
        on, headers = await self._effective_once()
        answer = await self._json_api.call(
            "POST", "/import/github", _GitHubImport, on=on, json=request.body(), headers=headers
        )
        made = answer.body
        status = ImportStatusAnswer(made.id, made.full_path.strip("/"), made.import_status)
        return ScheduledImport(status, answer.job)

    async def _effective_once(self) -> tuple[RetryRule, dict[str, str]]:
        """Return the retry rule of a POST, and the headers that make retries safe.

        With an idempotency key a Crossdock executes the request once. A GitLab has no such keys: only a 429
        is retried there, because a request whose connection broke may have been executed.
        """
        if not await self.is_crossdock():
            return retry_if_limited, {}
        return retry_if_keyed, {"Idempotency-Key": str(uuid4())}

    async def is_crossdock(self) -> bool:
        """Return whether the server is a Crossdock, which has its own API beside GitLab's."""
        return (await self._json_api.call("GET", "/version", _Version)).body.revision == _CROSSDOCK

    async def import_status(self, project: str | int) -> ImportStatusAnswer:
        """Return the state of the newest import of a project."""
        return (await self._json_api.call("GET", f"{_project(project)}/import", ImportStatusAnswer)).body

    async def schedule_export(
        self,
        project: str | int,
        description: str | None = None,
        *,
        upload: UploadTarget | None = None,
        selection: RelationSelection | None = None,
    ) -> int | None:
        """Start an export; ``description`` replaces the project's in the archive.

        The server sends the archive to ``upload``, if that is given. A GitLab passes over ``selection``.
        Return the number of the job, None at a GitLab.
        """
        on, headers = await self._effective_once()
        body: dict[str, object] = {} if description is None else {"description": description}
        body |= selection_parameters(selection)
        if upload is not None:
            body["upload"] = upload.parameters
        path = f"{_project(project)}/export"
        answer = await self._json_api.call("POST", path, dict[str, object], on=on, json=body, headers=headers)
        return answer.job

    async def export_status(self, project: str | int) -> ExportStatusAnswer:
        """Return the state of the user's newest export of a project."""
        return (await self._json_api.call("GET", f"{_project(project)}/export", ExportStatusAnswer)).body

    @asynccontextmanager
    async def archive(
        self, project: str | int, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[ClientResponse]:
        """Open the download of the finished export. ``headers`` may name a range. Not retried."""
        url = f"{self.api}{_project(project)}/export/download"
        async with exchange(self.session, "GET", url, headers=headers) as response:
            yield response


def _project(project: str | int) -> str:
    return f"/projects/{quote(str(project).strip('/'), safe='')}"


@asynccontextmanager
async def connect(url: str, token: str, *, directly: bool = False) -> AsyncIterator[GitLabClient]:
    """Open a client of the GitLab or Crossdock at ``url``, by its proxy unless ``directly``.

    Raises UsageError.
    """
    api = api_url(url)
    async with open_session(token, None if directly else find_proxy(URL(api))) as session:
        yield GitLabClient(session, api)
