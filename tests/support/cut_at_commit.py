"""A proxy in front of Postgres that cuts a process off from it: right before, or right after, a commit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import urlsplit, urlunsplit

_COMMIT = b"COMMIT;"
_COMMITTED = b"COMMIT\0"
_CHUNK = 64 * 1024


class Moment(Enum):
    """When everything is cut: the server never hears of the commit, or the client never of its success."""

    BEFORE_COMMIT = "before the commit"
    AFTER_COMMIT = "after the commit"


@dataclass(slots=True)
class Wire:
    """Passes bytes, until the commit of a transaction that contains ``statement``: as a process is killed.

    Then all connections end, for both sides, and no new ones are accepted. ``url`` leads through it.
    """

    url: str = ""
    statement: bytes = b""
    moment: Moment | None = None
    is_cut: asyncio.Event = field(default_factory=asyncio.Event)

    def cut_at(self, moment: Moment, *, of: str) -> None:
        """Cut everything at the next commit of a transaction with this statement."""
        self.statement, self.moment = of.encode(), moment


class _Link:
    """One connection."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._is_meant = self._is_awaited = False

    async def forth(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            self._is_meant |= self._wire.moment is not None and self._wire.statement in data
            if self._is_meant and _COMMIT in data:
                if self._wire.moment is Moment.BEFORE_COMMIT:
                    self._wire.is_cut.set()
                    return
                self._is_awaited = True
            writer.write(data)
            await writer.drain()

    async def back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            if self._is_awaited and _COMMITTED in data:
                self._wire.is_cut.set()
                return
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def severable(url: str) -> AsyncIterator[Wire]:
    """Run a Wire in front of the server at ``url``."""
    parts, wire = urlsplit(url), Wire()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if wire.is_cut.is_set():
            writer.transport.abort()
            return
        answers, there = await asyncio.open_connection(parts.hostname, parts.port)
        link = _Link(wire)
        ways = [link.forth(reader, there), link.back(answers, writer), wire.is_cut.wait()]
        tasks = [asyncio.ensure_future(way) for way in ways]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            for each in (there, writer):
                with suppress(OSError):
                    each.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    account = f"{parts.username}@" if parts.username else ""
    wire.url = urlunsplit(parts._replace(netloc=f"{account}{host}:{port}"))
    try:
        yield wire
    finally:
        wire.is_cut.set()
        server.close()
