"""A scripted server: each request gets the next answer, and what was asked is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from aiohttp.test_utils import TestServer

from services.cli.client import GitLabClient, connect

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came: its target is not decoded."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


class Script:
    """Answers in order; one request too many is a 418."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.asked: list[Asked] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.asked.append(Asked(request.method, request.raw_path, dict(request.headers), body))
        return await self._answers.pop(0)(request) if self._answers else web.Response(status=418)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[GitLabClient]:
        """Give a client of a server that follows this script."""
        async with self.server() as url, connect(url, "secret") as client:
            yield client

    @asynccontextmanager
    async def server(self) -> AsyncIterator[str]:
        """Give the URL of a server that follows this script."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self.handle)
        async with TestServer(app, host="127.0.0.1") as server:
            yield str(server.make_url("/")).rstrip("/")


def answer(body: object = None, status: int = 200, **headers: str) -> Answer:
    """Give JSON; ``Retry_After`` is the header Retry-After."""

    async def respond(_: web.Request) -> web.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response({} if body is None else body, status=status, headers=named)

    return respond


def problem(code: object, status: int, detail: str = "no") -> Answer:
    """Give a problem document (RFC 9457) with the member ``code``."""

    async def respond(_: web.Request) -> web.Response:
        body = {"detail": detail, "code": code}
        return web.json_response(body, status=status, content_type="application/problem+json")

    return respond


def crossdock() -> Answer:
    """A Crossdock's version: it takes keys."""
    return answer({"version": "18.9.0", "revision": "crossdock"})


def imported(status: str, *, job: int | None = None, **more: object) -> Answer:
    """GitLab's import status; a Crossdock names the job."""
    body = {"id": 7, "path_with_namespace": "group/one", "import_status": status} | more
    return answer(body) if job is None else answer(body, X_Crossdock_Job=str(job))


_ERRORS = [
    {
        "attempt": 1,
        "code": "storage_failed",
        "error": "the object storage is not available now",
        "at": "2026-11-25T00:00:01.000Z",
        "counts": False,
        "times": 3,
    },
    {
        "attempt": 1,
        "code": "archive_invalid",
        "error": "not a gzip file",
        "at": "2026-11-25T00:00:02.000Z",
        "counts": True,
        "times": 1,
    },
]


def job(state: str, number: int = 5, progress: Mapping[str, object] | None = None) -> dict[str, object]:
    """A job of a Crossdock, as its own API tells it."""
    return {
        "id": number,
        "kind": "import",
        "state": state,
        "project": {"id": 7, "path_with_namespace": "group/one"},
        "correlation_id": "c",
        "attempt": 1,
        "max_attempts": 5,
        "created_at": "2026-11-25T00:00:00.000Z",
        "error": "not a gzip file" if state == "failed" else None,
        "error_code": "archive_invalid" if state == "failed" else None,
        "errors": _ERRORS if state == "failed" else [],
        "progress": {"bytes_per_second": None, "remaining_seconds": None} | dict(progress or {}),
    }


def exported(status: str) -> Answer:
    """GitLab's export status."""
    return answer({"id": 7, "path_with_namespace": "group/one", "export_status": status})


def archive(
    data: bytes, *, start: int = 0, breaks_after: int | None = None, status: int | None = None, **headers: str
) -> Answer:
    """Send ``data`` from ``start`` on, with its true length; the connection may break before the end."""

    async def respond(request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if start:
            named.setdefault("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        response = web.StreamResponse(status=status or (206 if start else 200), headers=named)
        response.content_length = len(data) - start
        await response.prepare(request)
        await response.write(data[start:][:breaks_after])
        if breaks_after is not None and request.transport:
            request.transport.close()
        return response

    return respond
