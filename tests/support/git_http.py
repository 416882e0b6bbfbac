"""A folder of bare repositories, served by git's own ``git http-backend`` behind aiohttp."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import Process
from base64 import b64encode
from pathlib import Path

from aiohttp import web

from shared.shielding import to_the_end
from tests.support.git import ENVIRONMENT
from tests.support.prerequisites import program

_CHUNK = 64 * 1024
_GZIP = b"\x1f\x8b"


async def _ended(process: Process) -> None:
    """Stop ``process`` where its client went first, and read its output to the end, so its pipe closes."""
    if process.returncode is None and process.stdout is not None and not process.stdout.at_eof():
        process.kill()
    await to_the_end(process.communicate())


class GitHttp:
    """Serves all repositories below ``root`` by smart HTTP; its method ``handle`` is an aiohttp handler.

    Where there is a ``token``, it is the password that every request needs, or the user, as at GitHub.
    It speaks ``version`` of the protocol, or what it is asked for where that is 2. ``asked`` has the method,
    the path and the status of each request.
    """

    def __init__(self, root: Path, *, token: str | None = None, version: int = 2) -> None:
        self._root = root
        self._token = token
        self._version = version
        self.asked: list[tuple[str, str, int]] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request for ``/NAME.git/...``."""
        response = await (self._run(request) if self._permits(request) else self._refuse())
        self.asked.append((request.method, request.path, response.status))
        return response

    def _permits(self, request: web.Request) -> bool:
        given = request.headers.get("Authorization", "")
        pairs = (f"git:{self._token}", f"oauth2:{self._token}", f"{self._token}:")
        return self._token is None or given in {
            f"Basic {b64encode(pair.encode()).decode()}" for pair in pairs
        }

    async def _refuse(self) -> web.Response:
        headers = {"WWW-Authenticate": 'Basic realm="git"'}
        return web.Response(status=401, text="HTTP Basic: Access denied.", headers=headers)

    async def body(self, request: web.Request) -> bytes:
        """Give the body of git's answer, for a server that spoils it."""
        process = await self._start(request)
        try:
            output, _ = await process.communicate(await request.read())
        finally:
            await _ended(process)
        return output.partition(b"\r\n\r\n")[2]

    async def _run(self, request: web.Request) -> web.StreamResponse:
        process = await self._start(request)
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(await request.read())
            process.stdin.close()
            return await self._answer(request, process.stdout)
        finally:
            await _ended(process)

    async def _start(self, request: web.Request) -> Process:
        return await asyncio.create_subprocess_exec(
            program("git"), "-c", "safe.directory=*", "http-backend",
            env=self._environment(request, await request.read()),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip

    def _environment(self, request: web.Request, body: bytes) -> dict[str, str]:
        # aiohttp may have inflated the body.
        encoding = request.headers.get("Content-Encoding", "") if body.startswith(_GZIP) else ""
        asked = request.headers.get("Git-Protocol", "") if self._version == 2 else f"version={self._version}"
        version = {"GIT_PROTOCOL": asked} if self._version else {}
        return {
            **ENVIRONMENT, **version,
            "GIT_PROJECT_ROOT": str(self._root), "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": request.method, "PATH_INFO": request.path,
            "QUERY_STRING": request.query_string, "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)), "REMOTE_ADDR": request.remote or "",
            "HTTP_CONTENT_ENCODING": encoding,
        }  # fmt: skip

    async def _answer(self, request: web.Request, output: asyncio.StreamReader) -> web.StreamResponse:
        status, headers = 200, {}
        while line := (await output.readline()).decode().strip():
            name, _, value = line.partition(": ")
            if name == "Status":
                status = int(value[:3])
            else:
                headers[name] = value
        response = web.StreamResponse(status=status, headers=headers)
        await response.prepare(request)
        while chunk := await output.read(_CHUNK):
            await response.write(chunk)
        return response
