"""TLS before a server that speaks none: what it answers for stays as it was, the signed Host too."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
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
    transports: set[asyncio.BaseTransport | None] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        transports.add(writer.transport)
        await passed_on(reader, writer, port=before)

    async with await asyncio.start_server(connected, "127.0.0.1", port, ssl=server_context(keys)):
        yield
    await cut(transports)


async def cut(transports: Iterable[asyncio.BaseTransport | None]) -> None:
    """End what waits for its peer to end TLS too: the peer may be slower than the test's loop."""
    for transport in transports:
        if isinstance(transport, asyncio.WriteTransport):
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
