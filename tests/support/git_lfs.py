"""A server of git LFS's batch API over objects in memory, beside one of repositories."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.support.git_http import GitHttp

_TYPE = "application/vnd.git-lfs+json"
_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n"


def oid_of(data: bytes) -> str:
    """The id of an object."""
    return hashlib.sha256(data).hexdigest()


def pointer(data: bytes, *, oid: str = "") -> bytes:
    """The blob that stands for an object."""
    return _POINTER.format(oid=oid or oid_of(data), size=len(data)).encode()


class GitLfs:
    """Serves ``objects`` by their ids, and all else by ``git``; its method ``handle`` is an aiohttp handler.

    ``fetched`` has the id of each object that was asked for.
    """

    def __init__(self, git: GitHttp, objects: Mapping[str, bytes]) -> None:
        self._git = git
        self._objects = objects
        self.fetched: list[str] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer any request."""
        if request.path.endswith("/info/lfs/objects/batch"):
            answer = {"objects": [self._locate(request, each) for each in (await request.json())["objects"]]}
            return web.json_response(answer, content_type=_TYPE)
        if request.path.startswith("/object/"):
            oid = request.path.removeprefix("/object/")
            self.fetched.append(oid)
            assert request.headers["X-Ticket"] == oid
            return web.Response(body=self._objects[oid])
        return await self._git.handle(request)

    def _locate(self, request: web.Request, wanted: dict[str, Any]) -> dict[str, object]:
        if wanted["oid"] not in self._objects:
            return {**wanted, "error": {"code": 404, "message": "Object does not exist"}}
        href = str(request.url.with_path(f"/object/{wanted['oid']}"))
        return {**wanted, "actions": {"download": {"href": href, "header": {"X-Ticket": wanted["oid"]}}}}
