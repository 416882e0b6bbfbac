"""A TCP proxy that breaks connections in the middle of answers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

_BLOCK = 64 * 1024
_AGENT = re.compile(rb"^user-agent: (.*?)\r$", re.IGNORECASE | re.MULTILINE)


class CuttingProxy:
    """Passes bytes both ways, and cuts the first ``cuts_left`` connections whose answers get long.

    ``after`` is how many bytes of answers one connection carries before its cut; ``cuts`` counts
    them. ``abruptly`` tells whether the client sees a reset or an ordinary end. ``agents`` are the clients as
    they called themselves, one for a request.
    """

    def __init__(self, target: str, *, after: int, times: int, abruptly: bool) -> None:
        self._target = urlsplit(target)
        self._after = after
        self._abruptly = abruptly
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.cuts_left = times
        self.cuts = 0
        self.agents: list[str] = []

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
        upwards = asyncio.create_task(self._ask(reader, requests))
        try:
            with suppress(ConnectionError):
                await self._answer(answers, writer)
        finally:
            upwards.cancel()
            requests.transport.abort()
            writer.transport.abort() if self._abruptly else writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while block := await reader.read(_BLOCK):
                self.agents += [agent.decode() for agent in _AGENT.findall(block)]
                writer.write(block)
                await writer.drain()

    async def _answer(self, answers: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        carried = 0
        while block := await answers.read(_BLOCK):
            carried += len(block)
            writer.write(block)
            await writer.drain()
            if carried > self._after and self.cuts_left:
                self.cuts_left -= 1
                self.cuts += 1
                return


@asynccontextmanager
async def cutting_proxy(
    target: str, *, after: int, times: int, abruptly: bool = False
) -> AsyncIterator[CuttingProxy]:
    """Run a CuttingProxy in front of the HTTP server at ``target``."""
    proxy = CuttingProxy(target, after=after, times=times, abruptly=abruptly)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
