"""TLS before a server that speaks none: what it answers for stays as it was, the signed Host too."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path


def server_context(keys: tuple[Path, Path]) -> ssl.SSLContext:
    """Make the context of a server with this key and certificate."""
    key, cert = keys
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


@asynccontextmanager
async def tls_front(keys: tuple[Path, Path], *, port: int, before: int) -> AsyncIterator[None]:
    """Pass connections to ``port`` on to the port ``before`` which it stands, both of this machine."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await passed_on(reader, writer, port=before)

    async with await asyncio.start_server(connected, "127.0.0.1", port, ssl=server_context(keys)):
        yield
    await cut(port)


async def cut(port: int) -> None:
    """End the connections to a server of this loop that has closed.

    Some are known to no handler, as their handshake has not ended; others wait for their peer to end TLS too.
    The peer may be slower than the test's loop.
    """
    await asyncio.sleep(0)  # what was accepted last becomes a transport in the loop's next turn
    for transport in list(asyncio.get_running_loop()._transports.values()):  # type: ignore[attr-defined]  # nothing public lists them
        address = transport.get_extra_info("sockname")
        if isinstance(address, tuple) and address[1] == port:
            transport.abort()
    await asyncio.sleep(0)  # aborted sockets are closed in the loop's next turn


async def passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, port: int) -> None:
    """Pass a connection on to a port of this machine, both ways until both have ended."""
    inward, outward = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.gather(_pass_on(reader, outward), _pass_on(inward, writer))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, ssl.SSLError):
        while data := await reader.read(64 * 1024):
            writer.write(data)
            await writer.drain()
    writer.close()
