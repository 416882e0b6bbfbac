"""A server that takes uploads as AWS S3 does: nothing chunked, and only what is labelled as an archive."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload as it came: its target is not decoded. ``key`` says which one it is."""

    method: str
    target: str
    length: str
    body: bytes
    key: str


@dataclass(slots=True)
class Receiver:
    """Answers uploads by ``statuses`` in order, then by 200; 0 cuts the connection within the body.

    ``taken`` are the uploads that came whole; ``meanwhile`` runs before each answer.
    """

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    taken: list[Upload] = field(default_factory=list)
    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def handle(self, request: web.Request) -> web.Response:
        """Take an upload."""
        if "Transfer-Encoding" in request.headers or "Content-Length" not in request.headers:
            return web.Response(status=411)
        if request.headers.get("Content-Type") != "application/gzip":
            return web.Response(status=415)
        status = self.statuses.pop(0) if self.statuses else 200
        if not status:
            await request.content.readexactly(1)
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        body = await request.read()
        length, key = request.headers["Content-Length"], request.headers["Idempotency-Key"]
        self.taken.append(Upload(request.method, request.raw_path, length, body, key))
        if self.meanwhile:
            await self.meanwhile()
        headers = {"Location": f"{self.url}/elsewhere"} if status in range(300, 400) else {}
        headers |= {"Retry-After": "70"} if status == 429 else {}
        return web.Response(status=status, headers=headers)


@asynccontextmanager
async def receiving(*statuses: int) -> AsyncIterator[Receiver]:
    """Run a receiver on this machine."""
    receiver = Receiver(statuses=list(statuses))
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    async with TestServer(app, host="127.0.0.1") as server:
        receiver.url = str(server.make_url("/")).rstrip("/")
        yield receiver
