"""A GitLab as a peer: it exports and imports projects, counts, and fails where it is told to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from urllib.parse import unquote

from aiohttp import BodyPartReader, web
from aiohttp.test_utils import TestServer
from yarl import URL

from shared.remote.addresses import Policy
from shared.remote.api_address import ApiAddress
from shared.remote.client import Deadlines, RemoteClient
from shared.remote.resolver import SystemResolver
from tests.support.projects import project as archive_of
from tests.support.remote import PATIENT

TOKEN = "glpat-s3cret-of-tests"  # the tests' own
ADDRESS = "127.0.0.2"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
SLOWLY = ("none", "queued", "started", "finished")
"""The course of an export at a GitLab, whose worker has not begun when it is asked for at first."""


@dataclass
class StandInProject:
    """A project; ``course`` are the states of its next exports, of which the last one stays."""

    id: int
    path: str
    changed: datetime = LONG_AGO
    archive: bytes = field(default_factory=archive_of)
    course: tuple[str, ...] = ("finished",)
    states: list[str] = field(default_factory=lambda: ["none"])

    def entity(self) -> dict[str, object]:
        """As GitLab lists it."""
        changed = self.changed.isoformat()
        return {"id": self.id, "path_with_namespace": self.path, "last_activity_at": changed, "more": [1]}


@dataclass
class ReceivedImport:
    """An import that came: its fields, its archive, the states that it will have, and what it says then."""

    id: int
    fields: dict[str, str]
    archive: bytes
    states: list[str]
    error: str | None = None
    failed: list[dict[str, object]] = field(default_factory=list)

    @property
    def path(self) -> str:
        """The full path."""
        return f"{self.fields.get('namespace', 'root')}/{self.fields['path']}"


@dataclass
class _Fault:
    pattern: str
    times: int
    status: int
    message: object
    headers: Mapping[str, str]


class PeerGitLab:
    """Its ``asked`` counts requests by method and address, without numbers; ``revision`` may be Crossdock's.

    ``import_course`` are the states of imports that come, ``import_error`` is what a failed one says.
    """

    def __init__(self, *paths: str, revision: str = "abc123") -> None:
        self.projects = {path: StandInProject(number, path) for number, path in enumerate(paths, 1)}
        self.imports: list[ReceivedImport] = []
        self.import_course: tuple[str, ...] = ("finished",)
        self.import_error: str | None = None
        self.import_failures: list[dict[str, object]] = []
        self.asked: Counter[str] = Counter()
        self.scopes = ["api"]
        self.groups: dict[str, int] = {"vault": 500}
        self.page = 100
        self.port = 0
        self._revision = revision
        self._faults: list[_Fault] = []

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{ADDRESS}:{self.port}"

    @property
    def address(self) -> ApiAddress:
        """Where its API is, with a token that it knows."""
        return ApiAddress(URL(self.url) / "api/v4", TOKEN)

    def fail(
        self,
        pattern: str,
        status: int,
        *,
        times: int = 1,
        message: object = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer the next requests with an error; a pattern is of method and address: ``POST .*/export``."""
        self._faults.append(_Fault(pattern, times, status, message, headers or {}))

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[PeerGitLab]:
        """Listen, always on the same port."""
        app = web.Application(client_max_size=1 << 30, middlewares=[self._guard])
        routes = (
            ("GET", "/version", self._version),
            ("GET", "/user", self._user),
            ("GET", "/personal_access_tokens/self", self._token),
            ("GET", "/projects", self._index),
            ("GET", "/groups/{id}/projects", self._index),
            ("POST", "/projects/import", self._import),
            ("GET", "/namespaces/{id}", self._namespace),
            ("POST", "/groups", self._make_group),
            ("GET", "/projects/{id}", self._show),
            ("POST", "/projects/{id}/export", self._export),
            ("GET", "/projects/{id}/export", self._status),
            ("GET", "/projects/{id}/export/download", self._download),
            ("GET", "/projects/{id}/import", self._import_status),
        )
        for method, path, handler in routes:
            app.router.add_route(method, f"/api/v4{path}", handler)
        server = TestServer(app, host=ADDRESS, port=self.port or None)
        await server.start_server()
        self.port = server.port or 0
        try:
            yield self
        finally:
            await server.close()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        name = f"{request.method} {request.path.removeprefix('/api/v4')}"
        self.asked[re.sub(r"\d+", "N", name)] += 1
        if request.headers.get("PRIVATE-TOKEN") != TOKEN:
            return web.json_response({"message": "401 Unauthorized"}, status=401)
        for fault in self._faults:
            if fault.times and re.fullmatch(fault.pattern, name):
                fault.times -= 1
                await request.read()
                body = {"message": fault.message}
                return web.json_response(body, status=fault.status, headers=fault.headers)
        response: web.StreamResponse = await handler(request)
        return response

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response({"version": "18.9.0", "revision": self._revision})

    async def _user(self, _: web.Request) -> web.Response:
        return web.json_response({"id": 1, "username": "root"})

    async def _token(self, _: web.Request) -> web.Response:
        return web.json_response({"name": "vault", "scopes": self.scopes, "expires_at": "2027-01-01"})

    async def _index(self, request: web.Request) -> web.Response:
        """By keys: the next page begins behind the last id."""
        above = unquote(request.match_info.get("id", ""))
        after = int(request.query.get("id_after", "0"))
        found = (each for each in self.projects.values() if each.id > after and each.path.startswith(above))
        page = list(islice(found, self.page))
        headers = {}
        if len(page) == self.page:
            following = request.url.update_query(id_after=page[-1].id)
            headers["Link"] = f'<{following}>; rel="next"'
        return web.json_response([each.entity() for each in page], headers=headers)

    def _find(self, request: web.Request) -> StandInProject:
        reference = unquote(request.match_info["id"])
        for each in self.projects.values():
            if reference in {str(each.id), each.path}:
                return each
        raise _missing("404 Project Not Found")

    async def _show(self, request: web.Request) -> web.Response:
        reference = unquote(request.match_info["id"])
        for each in self.imports:
            if reference in {str(each.id), each.path}:
                return web.json_response({"id": each.id, "path_with_namespace": each.path})
        return web.json_response(self._find(request).entity())

    async def _export(self, request: web.Request) -> web.Response:
        project = self._find(request)
        if project.states[0] in ("queued", "started"):
            told = "An export is already running or queued for this project. Please try again once it's done."
            return web.json_response({"message": told}, status=400)
        project.states = list(project.course)
        return web.json_response({"message": "202 Accepted"}, status=202)

    async def _status(self, request: web.Request) -> web.Response:
        states = self._find(request).states
        state = states.pop(0) if len(states) > 1 else states[0]
        return web.json_response({"export_status": state})

    async def _download(self, request: web.Request) -> web.StreamResponse:
        project = self._find(request)
        if project.states != ["finished"]:
            raise _missing("404 Not found or has expired")
        headers = {"ETag": f'"{project.id}"'}
        return web.Response(body=project.archive, headers=headers, content_type="application/octet-stream")

    async def _namespace(self, request: web.Request) -> web.Response:
        path = unquote(request.match_info["id"])
        if path not in self.groups:
            raise _missing("404 Namespace Not Found")
        return web.json_response({"id": self.groups[path], "full_path": path})

    async def _make_group(self, request: web.Request) -> web.Response:
        given = await request.json()
        above = next((path for path, number in self.groups.items() if number == given.get("parent_id")), "")
        path = f"{above}/{given['path']}".strip("/")
        assert given["visibility"] == "private"
        self.groups[path] = 500 + len(self.groups)
        return web.json_response({"id": self.groups[path], "full_path": path}, status=201)

    async def _import(self, request: web.Request) -> web.Response:
        fields, archive = {}, b""
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            if part.name == "file":
                assert (part.filename or "").endswith(".gz")
                archive = bytes(await part.read())
            else:
                fields[part.name or ""] = await part.text()
        number = 1000 + len(self.imports)
        states = list(self.import_course)
        made = ReceivedImport(number, fields, archive, states, self.import_error, self.import_failures)
        if fields.get("overwrite") != "true" and any(each.path == made.path for each in self.imports):
            return web.json_response({"message": "Path has already been taken"}, status=400)
        self.imports.append(made)
        told = {"id": number, "path_with_namespace": made.path, "import_status": "scheduled"}
        return web.json_response(told, status=201)

    async def _import_status(self, request: web.Request) -> web.Response:
        reference = unquote(request.match_info["id"])
        for each in self.imports:
            if reference in {str(each.id), each.path}:
                state = each.states.pop(0) if len(each.states) > 1 else each.states[0]
                told = {"id": each.id, "path_with_namespace": each.path, "import_status": state}
                error = each.error if state == "failed" else None
                return web.json_response(told | {"import_error": error, "failed_relations": each.failed})
        raise _missing("404 Project Not Found")


def _missing(message: str) -> web.HTTPNotFound:
    return web.HTTPNotFound(text=f'{{"message":"{message}"}}', content_type="application/json")


def remote_client() -> RemoteClient:
    """Give a client that reaches peers for tests."""
    policy = Policy(schemes=("http",), allowed=(ADDRESS,))
    return RemoteClient(policy, SystemResolver(), deadlines=Deadlines(idle=PATIENT))
