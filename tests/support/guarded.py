"""A small application behind the guard of connections, over loopback, with a clock that the test moves."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.typedefs import Handler

from services.api.app import make_runner
from services.api.http.client import TRUSTED_PROXIES
from services.listener.at_work import mark_at_work
from services.listener.connection import Ending
from services.listener.connections import ConnectionLimits, Connections
from services.listener.peers import TrustedProxies
from services.listener.phase import Phase
from services.listener.site import CONNECTIONS, GuardedSite
from tests.support.waiting import until

HEADERS = {"Server": "Crossdock"}
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Clock:
    """A clock that stands still between two moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class RealClock(Clock):
    """The clock on the wall."""

    def __call__(self) -> float:
        return time.monotonic()


@dataclass(slots=True)
class Peer:
    """A client that the test speaks for byte by byte."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        """Send bytes; nothing waits for them to be taken."""
        self.writer.write(data)

    def leave(self) -> None:
        """Go without a word."""
        self.writer.transport.abort()

    async def answer(self) -> int:
        """Read a whole answer with a length, and give its status."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]
        await self.reader.readexactly(int(length))
        return int(head.split()[1])

    async def rest(self) -> bytes:
        """Read until the server ends the connection."""
        taken = bytearray()
        try:
            while some := await self.reader.read(65536):
                taken += some
        except ConnectionResetError:
            pass
        return bytes(taken)


@dataclass(slots=True)
class Guarded:
    """The running application: its connections, their ends by reason, and the clock."""

    connections: Connections
    clock: Clock
    port: int
    resources: AsyncExitStack
    ends: Counter[Ending] = field(default_factory=Counter)

    async def connect(self, **more: object) -> Peer:
        """Open a connection, and give it once the server has it."""
        before = len(self.connections) + self.ends.total()
        peer = Peer(*await asyncio.open_connection("127.0.0.1", self.port, **more))  # type: ignore[arg-type]
        self.resources.callback(peer.leave)
        await until(lambda: len(self.connections) + self.ends.total() > before)
        return peer

    async def reached(self, phase: Phase, count: int = 1) -> None:
        """Wait until so many connections are in a phase."""
        await until(lambda: self.connections.count(phase) == count)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, second by second."""
        for _ in range(int(seconds)):
            self.clock.now += 1
            self.connections.tick()


@asynccontextmanager
async def guarded(
    limits: ConnectionLimits | None = None,
    *,
    handler: Handler | None = None,
    proxies: Sequence[str] = (),
    clock: Clock | None = None,
) -> AsyncIterator[Guarded]:
    """Serve one handler for everything; nothing looks at the connections but ``pass_time``."""
    clock, ends = clock or Clock(), Counter[Ending]()
    connections = Connections(
        limits or ConnectionLimits(),
        proxies=TrustedProxies(proxies),
        on_end=lambda ending: ends.update([ending]),
        clock=clock,
    )
    app = web.Application(middlewares=[mark_at_work], client_max_size=0)
    app[CONNECTIONS], app[TRUSTED_PROXIES] = connections, connections.proxies
    app.router.add_route("*", "/{path:.*}", handler or _greet)
    runner = make_runner(app, shutdown_timeout=0.1)
    await runner.setup()
    async with AsyncExitStack() as resources:
        resources.push_async_callback(runner.cleanup)
        await GuardedSite(runner, host="127.0.0.1", port=0, headers=HEADERS).start()
        yield Guarded(connections, clock, runner.addresses[0][1], resources, ends)


async def _greet(_request: web.Request) -> web.StreamResponse:
    return web.Response(text="hello")
