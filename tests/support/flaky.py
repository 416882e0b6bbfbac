"""A TCP proxy that breaks connections in the middle, and keeps the heads of requests."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from random import Random
from urllib.parse import urlsplit

_BLOCK = 64 * 1024
_HEAD = re.compile(rb"^(?:GET|HEAD|PUT|POST|PATCH|DELETE) .*?\r\n\r\n", re.DOTALL | re.MULTILINE)
_AGENT = re.compile(r"^user-agent: (.*?)\r$", re.IGNORECASE | re.MULTILINE)


@dataclass(slots=True)
class _Connection:
    after: int
    carried: int = 0
    method: str = ""


class CuttingProxy:
    """Passes bytes both ways, and cuts the first ``cuts_left`` connections that carry much.

    ``after`` is how many bytes one connection carries, both ways, before its cut; with a ``seed`` it is the
    most, and each carries another number. ``cuts`` counts the cuts. Where ``method`` is given, only requests
    of that are cut. ``abruptly`` tells whether the client sees a reset or an ordinary end. ``heads`` are the
    requests without their bodies.
    """

    def __init__(  # what is cut, and how
        self, target: str, *, after: int, times: int, abruptly: bool, method: str, seed: int | None
    ) -> None:
        self._target = urlsplit(target)
        self._after = after
        self._random = None if seed is None else Random(seed)  # noqa: S311  # for tests
        self._abruptly = abruptly
        self._method = method
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.cuts_left = times
        self.cuts = 0
        self.heads: list[str] = []

    @property
    def agents(self) -> list[str]:
        """The clients as they called themselves, one for a request."""
        return [agent for head in self.heads for agent in _AGENT.findall(head)]

    @property
    def url(self) -> str:
        """What to connect to in place of the target."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def stop(self) -> None:
        """Close everything."""
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, requests = await asyncio.open_connection(self._target.hostname, self._target.port)
        connection = _Connection(self._random.randrange(self._after) if self._random else self._after)
        ways = [
            asyncio.create_task(self._pass(reader, requests, connection)),
            asyncio.create_task(self._pass(answers, writer, connection)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            requests.transport.abort()
            writer.transport.abort() if self._abruptly else writer.close()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: _Connection
    ) -> None:
        with suppress(ConnectionError):
            while block := await reader.read(_BLOCK):
                self._note(block, connection)
                writer.write(block)
                await writer.drain()
                if self._is_due(connection):
                    self.cuts_left -= 1
                    self.cuts += 1
                    return

    def _note(self, block: bytes, connection: _Connection) -> None:
        connection.carried += len(block)
        for head in _HEAD.findall(block):
            self.heads.append(head.decode())
            connection.method = self.heads[-1].partition(" ")[0]

    def _is_due(self, connection: _Connection) -> bool:
        due = connection.carried > connection.after and self.cuts_left > 0
        return due and self._method in ("", connection.method)


@asynccontextmanager
async def cutting_proxy(
    target: str,
    *,
    after: int,
    times: int,
    abruptly: bool = False,
    method: str = "",
    seed: int | None = None,
) -> AsyncIterator[CuttingProxy]:
    """Run a CuttingProxy in front of the HTTP server at ``target``."""
    proxy = CuttingProxy(target, after=after, times=times, abruptly=abruptly, method=method, seed=seed)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
