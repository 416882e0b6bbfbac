"""Counts the statements that clients send to Postgres, between them and the server, whatever they are."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

_SSL_REQUEST = (80877103).to_bytes(4, "big")
_LENGTH = 4
_CHUNK = 64 * 1024
_LONGEST = 300
_ABOUT_TYPES = ("typeinfo_tree", "set_config('jit'")


@dataclass(slots=True)
class Statements:
    """What was sent through a tap, in the order of arrival, and the address that leads through it.

    Each message that has the server do something is one: a query, of several commands as well, and an
    execution of a prepared statement. ``BEGIN``, ``COPY`` and what asyncpg sends by itself count, but not
    what it asks once a connection about a type.
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

    def table(self, since: int = 0) -> str:
        """List those after the first ``since`` with their number, for who reads a failure."""
        return "\n".join(f"{times:5} {text}" for text, times in Counter(self.texts[since:]).most_common())


class _Frontend:
    """Reads the messages of one client (PostgreSQL, "Message Formats"), at any cut."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._prepared: dict[bytes, str] = {}
        self._bound = ""
        self._waiting = b""
        self._has_started = False

    def feed(self, data: bytes) -> None:
        self._waiting += data
        while (message := self._next()) is not None:
            self._take(*message)

    def _next(self) -> tuple[bytes, bytes] | None:
        """Give type and content of the next message that is here whole; the first ones have no type."""
        head = 1 if self._has_started else 0
        if len(self._waiting) < head + _LENGTH:
            return None
        end = head + int.from_bytes(self._waiting[head : head + _LENGTH], "big")
        if len(self._waiting) < end:
            return None
        kind, content = self._waiting[:head], self._waiting[head + _LENGTH : end]
        self._waiting = self._waiting[end:]
        return kind, content

    def _take(self, kind: bytes, content: bytes) -> None:
        match kind:
            case b"":
                self._has_started = content != _SSL_REQUEST
            case b"Q":
                self._add(_text(content.rstrip(b"\0")))
            case b"P":
                name, text, _ = content.split(b"\0", 2)
                self._prepared[name] = _text(text)
            case b"B":
                self._bound = self._prepared.get(content.split(b"\0", 2)[1], "?")
            case b"E":
                self._add(self._bound)

    def _add(self, text: str) -> None:
        if not any(word in text for word in _ABOUT_TYPES):
            self._statements.texts.append(text)


def _text(statement: bytes) -> str:
    return " ".join(statement.decode(errors="replace").split())[:_LONGEST]


@asynccontextmanager
async def tapped(url: str) -> AsyncIterator[Statements]:
    """Count what goes to the server at ``url`` by the address of the result."""
    parts = urlsplit(url)
    statements = Statements("")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        statements.connections += 1
        there, back = await asyncio.open_connection(parts.hostname, parts.port)
        frontend = _Frontend(statements)

        async def forth() -> None:
            while data := await reader.read(_CHUNK):
                frontend.feed(data)
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
