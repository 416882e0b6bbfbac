"""A port that is listened on with a guard around each connection."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial

from aiohttp import web

from services.listener.connections import Connections
from services.listener.guard import Guard
from services.listener.malformed import handler_factory
from shared.beside import beside
from shared.errors import CrossdockError, Fault

CONNECTIONS = web.AppKey("connections", Connections)


async def keep_ticking(app: web.Application) -> AsyncIterator[None]:
    """Look after the connections for as long as the application runs, while it drains as well."""
    async with beside(app[CONNECTIONS].keep_ticking()):
        yield


class AddressUnusable(CrossdockError):
    """The process cannot listen at the address, for instance because another one does."""

    code = "address_unusable"
    fault = Fault.CLIENT

    def __init__(self, host: str, port: int, error: OSError) -> None:
        # asyncio's own text repeats the address, as Python writes it.
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        super().__init__(
            f"cannot listen at {host}, port {port}: {reason}. CROSSDOCK_PORT (--port) names another"
        )


class GuardedSite(web.BaseSite):
    """Listens with a guard around each of aiohttp's protocols. ``headers`` go with what is no request."""

    def __init__(
        self,
        runner: web.AppRunner,
        *,
        host: str,
        port: int,
        headers: Mapping[str, str],
    ) -> None:
        connections = runner.app[CONNECTIONS]
        super().__init__(runner, backlog=connections.limits.backlog)
        self._address = host, port
        self._connections = connections
        self._headers = headers

    @property
    def name(self) -> str:
        """The address."""
        host, port = self._address
        return f"http://{host}:{port}"

    async def start(self) -> None:
        """Begin to accept connections. Raises AddressUnusable."""
        await super().start()
        assert self._runner.server is not None  # noqa: S101  # BaseSite has asked for it
        make_handler = handler_factory(self._runner.server, headers=self._headers)
        make_guard = partial(Guard, make_handler, self._connections, headers=self._headers)
        self._server = await _listen(make_guard, *self._address, backlog=self._backlog)


async def try_address(host: str, port: int) -> None:
    """Listen and stop again, for who wants to know before anything else. Raises AddressUnusable."""
    server = await _listen(asyncio.Protocol, host, port)
    server.close()
    await server.wait_closed()


async def _listen(
    make_protocol: Callable[[], asyncio.BaseProtocol], host: str, port: int, *, backlog: int = 100
) -> asyncio.Server:
    try:
        return await asyncio.get_running_loop().create_server(make_protocol, host, port, backlog=backlog)
    except OSError as error:
        raise AddressUnusable(host, port, error) from error
