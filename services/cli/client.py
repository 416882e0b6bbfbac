"""A client of GitLab's project import/export API (v4): one method for each call it needs."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar
from urllib.parse import quote

import msgspec
from aiohttp import ClientResponse, ClientSession, FormData

from services.cli.errors import Unreachable
from services.cli.http import Retriable, api_session, api_url, attempts, exchange, when_limited, when_passing
from services.cli.terminal import Report

_Answer = TypeVar("_Answer")


class FailedRelation(msgspec.Struct, frozen=True):
    """A record that the import left out; ``line_number`` counts from 0."""

    relation_name: str
    exception_class: str
    exception_message: str | None = None
    line_number: int | None = None


class ImportStatus(msgspec.Struct, frozen=True):
    """GitLab's ProjectImportStatus, as far as it is used here."""

    id: int
    path_with_namespace: str
    import_status: str
    import_error: str | None = None
    failed_relations: list[FailedRelation] = []


class ExportStatus(msgspec.Struct, frozen=True):
    """GitLab's ProjectExportStatus, as far as it is used here."""

    id: int
    path_with_namespace: str
    export_status: str


@dataclass(frozen=True, slots=True)
class Upload:
    """What an import asks for beside the file; ``namespace`` None is the user's own."""

    path: str
    namespace: str | None = None
    name: str | None = None
    overwrite: bool = False
    overrides: Mapping[str, str] | None = None

    @classmethod
    def to(cls, full_path: str, *, name: str | None, overwrite: bool, overrides: Mapping[str, str]) -> Self:
        """Split ``group/subgroup/project``."""
        namespace, _, path = full_path.strip("/").rpartition("/")
        return cls(path, namespace or None, name, overwrite, overrides)

    def fields(self) -> dict[str, str]:
        """Give the form's fields."""
        given = {"path": self.path, "namespace": self.namespace, "name": self.name}
        fields = {key: value for key, value in given.items() if value is not None}
        overrides = {f"override_params[{key}]": value for key, value in (self.overrides or {}).items()}
        return fields | ({"overwrite": "true"} if self.overwrite else {}) | overrides


class _Watched(io.BufferedReader):
    """A file that tells how far it was read; its size is known, and with it the request's Content-Length."""

    def __init__(self, path: Path, report: Report) -> None:
        super().__init__(io.FileIO(path))
        self._report = report
        self._size = path.stat().st_size

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self._report(self.tell(), self._size)
        return data


class GitLabClient:
    """Calls below one base URL, ``api``. Every method raises RefusedByServer and Unreachable."""

    def __init__(self, session: ClientSession, api: str) -> None:
        self._session = session
        self.api = api

    async def import_file(self, archive: Path, upload: Upload, report: Report) -> ImportStatus:
        """Upload ``archive`` and give the import that the server scheduled.

        The token is tried first: a refusal should not come after gigabytes. Nothing but 429 is tried
        again, as an upload that broke off may have been taken.
        """
        await self._json("GET", "/user", dict[str, object])
        async for attempt in attempts(when_limited):
            with attempt, _Watched(archive, report) as file:
                form = FormData(upload.fields(), default_to_multipart=True)
                form.add_field("file", file, filename=archive.name, content_type="application/gzip")
                return await self._once("POST", "/projects/import", ImportStatus, data=form)
        raise AssertionError("the last attempt raises")

    async def import_status(self, project: str | int) -> ImportStatus:
        """State of the newest import."""
        return await self._json("GET", f"{_project(project)}/import", ImportStatus)

    async def schedule_export(self, project: str | int, description: str | None = None) -> None:
        """Have an archive made, its project's description being ``description`` if given."""
        body = {} if description is None else {"description": description}
        await self._json("POST", f"{_project(project)}/export", dict[str, object], on=when_limited, json=body)

    async def export_status(self, project: str | int) -> ExportStatus:
        """State of the caller's newest export."""
        return await self._json("GET", f"{_project(project)}/export", ExportStatus)

    @asynccontextmanager
    async def archive(
        self, project: str | int, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[ClientResponse]:
        """Begin to download the finished export; ``headers`` may ask for a range. Tried once."""
        url = f"{self.api}{_project(project)}/export/download"
        async with exchange(self._session, "GET", url, headers=headers) as response:
            yield response

    async def _json(
        self,
        method: str,
        path: str,
        answer: type[_Answer],
        *,
        on: Retriable = when_passing,
        json: object = None,
    ) -> _Answer:
        async for attempt in attempts(on):
            with attempt:
                return await self._once(method, path, answer, json=json)
        raise AssertionError("the last attempt raises")

    async def _once(self, method: str, path: str, answer: type[_Answer], **options: object) -> _Answer:
        async with exchange(self._session, method, self.api + path, **options) as response:
            body = await response.read()
        try:
            return msgspec.json.decode(body, type=answer)
        except msgspec.MsgspecError as error:
            raise Unreachable(f"{response.url.origin()} gave no answer of GitLab's API: {error}") from error


def _project(project: str | int) -> str:
    return f"/projects/{quote(str(project).strip('/'), safe='')}"


@asynccontextmanager
async def connect(url: str, token: str) -> AsyncIterator[GitLabClient]:
    """Open a client of the GitLab, or Crossdock, at ``url``. Raises UsageError."""
    api = api_url(url)
    async with api_session(token) as session:
        yield GitLabClient(session, api)
