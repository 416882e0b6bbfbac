"""A proxy in front of Postgres that ends connections at chosen moments, or takes none for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from enum import Enum
from urllib.parse import urlsplit, urlunsplit

from tests.support.frontend import Frontend

_BLOCK = 64 * 1024
_HEAD = 5
"""Bytes of the type and the length of a message."""
_READY_FOR_QUERY = ord("Z")


class Fate(Enum):
    """What becomes of a statement."""

    PASSES = "passes"
    IS_CUT = "is cut"  # the connection ends before the server has it
    IS_UNKNOWN = "is unknown"  # the server has done it, and the connection ends before its answer


Decide = Callable[[str], Fate]


class At:
    """Lets one statement have a fate, that which comes after ``before`` others, and the others pass."""

    def __init__(self, before: int, fate: Fate) -> None:
        self._before = before
        self._fate = fate

    def __call__(self, _text: str) -> Fate:
        self._before -= 1
        return self._fate if self._before == -1 else Fate.PASSES

    @property
    def has_come(self) -> bool:
        """Whether there was that statement."""
        return self._before < 0


class SeveredPostgres:
    """Passes statements to the server as ``decide`` says, and answers until there were ``answers`` bytes.

    ``refuses`` has the SQLSTATE by which the next connections are refused, one after the other.
    """

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target)
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.decide: Decide = passes
        self.answers: int | None = None
        self.refuses: list[str] = []
        self.cuts = 0

    @property
    def url(self) -> str:
        """What to connect to in place of the target."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return urlunsplit(self._target._replace(netloc=f"{self._target.username}@127.0.0.1:{port}"))

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def stop(self) -> None:
        """Take no connection any more, and end all."""
        assert self._server is not None
        self._server.close()
        await self.cut_all()

    async def cut_all(self) -> None:
        """End all connections now."""
        ended = list(self._connections)
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        task.add_done_callback(lambda _: writer.transport.abort())  # also where it was ended before it began

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuses:
            await _refuse(reader, writer, self.refuses.pop(0))
            return
        answers, statements = await self._reach_server()
        connection = _Connection(self, (reader, writer), (answers, statements))
        ways = [asyncio.create_task(way) for way in (connection.forth(), connection.back())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            statements.transport.abort()

    async def _reach_server(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect; a connection that is there only after a cancellation is ended."""
        opening = asyncio.create_task(asyncio.open_connection(self._target.hostname, self._target.port))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            (await opening)[1].transport.abort()
            raise

    def spend(self, length: int) -> int:
        """Give how many of ``length`` bytes of an answer may pass."""
        if self.answers is None:
            return length
        passing = min(length, self.answers)
        self.answers -= passing
        return passing


class _Connection:
    def __init__(
        self,
        proxy: SeveredPostgres,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._is_unknown = False
        self._lost = b""

    async def forth(self) -> None:
        """Pass what the client sends, until a statement is cut."""
        frontend = Frontend()
        with suppress(ConnectionError):
            while data := await self._client[0].read(_BLOCK):
                fates = {self._proxy.decide(text) for text in frontend.feed(data)}
                if Fate.IS_CUT in fates:
                    self._proxy.cuts += 1
                    return
                self._is_unknown |= Fate.IS_UNKNOWN in fates
                self._server[1].write(data)
                await self._server[1].drain()

    async def back(self) -> None:
        """Pass what the server answers, until that is all that may pass."""
        with suppress(ConnectionError):
            while data := await self._server[0].read(_BLOCK):
                if self._is_unknown:
                    self._lost += data
                    if _has_done(self._lost):
                        self._proxy.cuts += 1
                        return
                    continue
                passing = self._proxy.spend(len(data))
                self._client[1].write(data[:passing])
                await self._client[1].drain()
                if passing < len(data):
                    self._proxy.cuts += 1
                    return


def _has_done(answer: bytes) -> bool:
    """Tell whether the server has done what it was told; notifications may follow."""
    while len(answer) > _HEAD:
        if answer[0] == _READY_FOR_QUERY:
            return True
        answer = answer[1 + int.from_bytes(answer[1:_HEAD], "big") :]
    return False


async def _refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sqlstate: str) -> None:
    """Answer to the start of a connection as a server does that takes none."""
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        await reader.readexactly(8)
        writer.write(b"N")  # no TLS
        await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big") - 4)
        fields = f"SFATAL\0VFATAL\0C{sqlstate}\0Mnot now\0\0".encode()
        writer.write(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)
        await writer.drain()
    writer.close()


def passes(_text: str) -> Fate:
    """Let every statement pass."""
    return Fate.PASSES


@asynccontextmanager
async def severed(url: str) -> AsyncIterator[SeveredPostgres]:
    """Run a SeveredPostgres in front of the server at ``url``."""
    proxy = SeveredPostgres(url)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
