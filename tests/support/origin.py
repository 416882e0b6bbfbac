"""A server elsewhere that has an archive, or has lost it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from tests.support.remote import Servers
from tests.support.tls_front import server_context


@dataclass(slots=True)
class Origin:
    """It tells of the archive all the time, and gives it unless it ``is_lost``."""

    archive: bytes
    url: str = ""
    is_lost: bool = False

    async def answer(self, request: web.Request) -> web.Response:
        """HEAD and GET of whatever path."""
        if self.is_lost and request.method == "GET":
            return web.Response(status=410)
        return web.Response(body=self.archive, content_type="application/gzip")


@asynccontextmanager
async def served_origin(archive: bytes, keys: tuple[Path, Path]) -> AsyncIterator[Origin]:
    """Serve one, whose certificate is that of localhost, and whose address is a secret."""
    origin = Origin(archive)
    async with AsyncExitStack() as stack:
        port = await Servers(stack).http(origin.answer, host="127.0.0.1", tls=server_context(keys))
        origin.url = f"https://localhost:{port}/website_export.tar.gz?signature=hunter2"
        yield origin
