"""A git server in whose middle something happens: half way through its answer at one stage of an import."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from tests.support.git_http import GitHttp
from tests.support.git_lfs import GitLfs

STAGES = ("refs", "pack", "lfs", "wiki")
_TYPE = {"Content-Type": "application/x-git-upload-pack-result"}


class StagedGit:
    """Serves repositories and LFS objects; at ``stage`` it sends half, and ``happens`` is awaited, once."""

    def __init__(
        self, git: GitHttp, objects: dict[str, bytes], *, happens: Callable[[], Awaitable[object]]
    ) -> None:
        self._git = git
        self._objects = objects
        self._lfs = GitLfs(git, objects)
        self._happens = happens
        self.stage = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer any request."""
        if not self.stage or self.stage != await _stage_of(request):
            return await self._lfs.handle(request)
        stage, self.stage = self.stage, ""
        is_object = stage == "lfs"
        whole = self._objects[request.path.rpartition("/")[2]] if is_object else await self._git.body(request)
        response = web.StreamResponse(headers={} if is_object else _TYPE)
        response.content_length = len(whole)
        await response.prepare(request)
        await response.write(whole[: len(whole) // 2])
        await self._happens()
        return response


async def _stage_of(request: web.Request) -> str:
    if request.path.startswith("/object/"):
        return "lfs"
    if request.method != "POST":
        return ""
    body = await request.read()
    if b"command=ls-refs" in body:
        return "" if ".wiki.git/" in request.path else "refs"
    if b"command=fetch" in body:
        return "wiki" if ".wiki.git/" in request.path else "pack"
    return ""
