"""A load balancer as Kubernetes has one: new connections go to who is ready, old ones stay where they are."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp

from tests.support.tls_front import passed_on

_EVERY = 0.05


class Balancer:
    """Sends connections to the ports of ``backends`` whose readiness probe was answered by 200 lately."""

    def __init__(self) -> None:
        self.backends: set[int] = set()
        self.port = 0
        self._ready: set[int] = set()
        self._change = asyncio.Condition()

    async def ready(self, *ports: int) -> None:
        """Wait until connections go to exactly these."""
        async with asyncio.timeout(60), self._change:
            await self._change.wait_for(lambda: self._ready == set(ports))

    async def _probe(self, session: aiohttp.ClientSession) -> None:
        while True:
            ready = {port for port in tuple(self.backends) if await _is_ready(session, port)}
            async with self._change:
                self._ready = ready
                self._change.notify_all()
            await asyncio.sleep(_EVERY)  # as a balancer does

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._change:
            await self._change.wait_for(lambda: self._ready)
            port = random.choice(sorted(self._ready))  # noqa: S311  # not for secrets
        await passed_on(reader, writer, port=port)


async def _is_ready(session: aiohttp.ClientSession, port: int) -> bool:
    with suppress(aiohttp.ClientError, TimeoutError):
        async with session.get(f"http://127.0.0.1:{port}/-/readiness") as answer:
            return answer.status == 200
    return False


@asynccontextmanager
async def balancing() -> AsyncIterator[Balancer]:
    """Run one on this machine."""
    balancer = Balancer()
    timeout = aiohttp.ClientTimeout(total=5)
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        server = await asyncio.start_server(balancer._connected, "127.0.0.1", 0)
        balancer.port = server.sockets[0].getsockname()[1]
        probing = asyncio.create_task(balancer._probe(session))
        try:
            yield balancer
        finally:
            probing.cancel()
            server.close()
