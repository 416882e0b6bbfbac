"""Counts the statements that clients send to Postgres, between them and the server, whatever they are."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from tests.support.frontend import Frontend

_CHUNK = 64 * 1024
_ABOUT_TYPES = ("typeinfo_tree", "set_config('jit'")


@dataclass(slots=True)
class Statements:
    """What was sent through a tap, in the order of arrival, and the address that leads through it.

    ``BEGIN``, ``COPY`` and what asyncpg sends by itself count, but not what it asks once a connection about a
    type.
    """

    url: str
    texts: list[str] = field(default_factory=list)
    connections: int = 0

    def clear(self) -> None:
        """Forget what was sent so far."""
        self.texts.clear()

    @property
    def count(self) -> int:
        """How many were sent."""
        return len(self.texts)

    def add(self, text: str) -> None:
        """Count a statement."""
        if not any(word in text for word in _ABOUT_TYPES):
            self.texts.append(text)

    def table(self, since: int = 0) -> str:
        """List those after the first ``since`` with their number, for who reads a failure."""
        return "\n".join(f"{times:5} {text}" for text, times in Counter(self.texts[since:]).most_common())


@asynccontextmanager
async def tapped(url: str) -> AsyncIterator[Statements]:
    """Count what goes to the server at ``url`` by the address of the result."""
    parts = urlsplit(url)
    statements = Statements("")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        statements.connections += 1
        there, back = await asyncio.open_connection(parts.hostname, parts.port)
        frontend = Frontend()

        async def forth() -> None:
            while data := await reader.read(_CHUNK):
                for text in frontend.feed(data):
                    statements.add(text)
                back.write(data)
                await back.drain()

        async def answer() -> None:
            while data := await there.read(_CHUNK):
                writer.write(data)
                await writer.drain()

        ways = [asyncio.ensure_future(way()) for way in (forth, answer)]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for each in (back, writer):
                with suppress(OSError):
                    each.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    account = f"{parts.username}@" if parts.username else ""
    statements.url = urlunsplit(parts._replace(netloc=f"{account}{host}:{port}"))
    try:
        yield statements
    finally:
        server.close()
