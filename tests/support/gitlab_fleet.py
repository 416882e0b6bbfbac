"""A GitLab with many projects that can be exported; it counts, and fails where it is told to."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import unquote

from aiohttp import web
from aiohttp.test_utils import TestServer

from shared.manifest.format import signed_text
from shared.signing.signer import Signer
from tests.support.described_contents import manifest_of
from tests.support.ports import free_ports
from tests.support.projects import project as archive_of

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class FleetProject:
    """A project; ``broken`` is at which step it fails."""

    id: int
    path: str
    changed: datetime = LONG_AGO
    archive: bytes = field(default_factory=archive_of)
    broken: str | None = None
    state: str = "none"

    def entity(self) -> dict[str, object]:
        """As GitLab lists it."""
        return {
            "id": self.id,
            "path_with_namespace": self.path,
            "last_activity_at": self.changed.isoformat(),
            "export_status": self.state,
        }


class FleetGitLab:
    """Serves projects, exports and downloads; ``revision`` ``crossdock`` makes it a Crossdock."""

    def __init__(self, *paths: str, revision: str = "abc123") -> None:
        self.projects = {path: FleetProject(number, path) for number, path in enumerate(paths, 1)}
        self.exports: Counter[str] = Counter()
        self.downloads: Counter[str] = Counter()
        self.signer: Signer | None = None
        """Who signs manifests, as the server says; nobody by default."""
        self.forger: Signer | None = None
        """Who signs them in truth, where that is another."""
        self.broken_manifest: bytes | None = None
        self._revision = revision
        self._port = free_ports(1)[0]  # the same one each time: it is a part of what is recorded

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Give the URL while it runs."""
        app = web.Application()
        app.router.add_get("/api/v4/version", self._version)
        manifest = "/api/crossdock/v1/projects/{id}/export/manifest"
        app.router.add_get(manifest, self._manifest)
        app.router.add_get(f"{manifest}/signature", self._sign)
        app.router.add_get("/api/crossdock/v1/signing-keys", self._keys)
        app.router.add_get("/api/v4/user", self._user)
        app.router.add_get("/api/v4/projects", self._index)
        app.router.add_get("/api/v4/projects/{id}", self._show)
        app.router.add_post("/api/v4/projects/{id}/export", self._export)
        app.router.add_get("/api/v4/projects/{id}/export", self._status)
        app.router.add_get("/api/v4/projects/{id}/export/download", self._download)
        async with TestServer(app, host="127.0.0.1", port=self._port) as server:
            yield str(server.make_url("/")).rstrip("/")

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response({"version": "18.9.0", "revision": self._revision})

    async def _user(self, _: web.Request) -> web.Response:
        return web.json_response({"username": "root", "is_admin": True})

    async def _index(self, _: web.Request) -> web.Response:
        return web.json_response([each.entity() for each in self.projects.values()])

    def _find(self, request: web.Request) -> FleetProject:
        reference = unquote(request.match_info["id"])
        for each in self.projects.values():
            if reference in {str(each.id), each.path}:
                return each
        raise web.HTTPNotFound(text='{"message":"404 Project Not Found"}', content_type="application/json")

    async def _show(self, request: web.Request) -> web.Response:
        return web.json_response(self._find(request).entity())

    async def _export(self, request: web.Request) -> web.Response:
        project = self._find(request)
        self.exports[project.path] += 1
        if project.broken == "export":
            return web.json_response({"message": "403 Forbidden"}, status=403)
        project.state = "finished"
        return web.json_response({"message": "202 Accepted"}, status=202)

    async def _manifest(self, request: web.Request) -> web.Response:
        data = manifest_of(self._find(request).archive).encode()
        etag = hashlib.sha256(data if self.broken_manifest is None else self.broken_manifest).hexdigest()
        return web.Response(body=data, headers={"ETag": f'"{etag}"'})

    async def _sign(self, request: web.Request) -> web.Response:
        signer = self.forger or self.signer
        if signer is None:
            return _signing_off()
        digest = hashlib.sha256(manifest_of(self._find(request).archive).encode()).digest()
        return web.Response(body=signer.sign(signed_text(digest)))

    async def _keys(self, _: web.Request) -> web.Response:
        return _signing_off() if self.signer is None else web.Response(body=self.signer.public_keys)

    async def _status(self, request: web.Request) -> web.Response:
        return web.json_response(self._find(request).entity())

    async def _download(self, request: web.Request) -> web.StreamResponse:
        project = self._find(request)
        self.downloads[project.path] += 1
        data = project.archive
        if project.broken == "bytes":
            data = data[:-8] + bytes(8)
        return web.Response(body=data, headers={"ETag": f'"{project.id}"'}, content_type="application/gzip")


def _signing_off() -> web.Response:
    body = {"code": "signing_off", "detail": "no key"}
    return web.json_response(body, status=404, content_type="application/problem+json")
