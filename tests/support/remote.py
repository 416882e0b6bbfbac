"""Remote servers as they are and as they should not be, and a client that may reach them."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from datetime import timedelta

from aiohttp import web
from aiohttp.test_utils import TestServer

from shared.remote.addresses import Policy
from shared.remote.client import Deadlines, RemoteClient
from shared.remote.resolver import Resolver, TableResolver
from tests.support.tls_front import cut

SECRET = "hunter2"
LOOPBACK = Policy(schemes=("http", "https"), allowed=("127.0.0.2",))
CONTENT = b"".join(hashlib.sha256(str(number).encode()).digest() for number in range(40_000))
HALF_A_SECOND = timedelta(seconds=0.5)
SHORT = Deadlines(opening=timedelta(seconds=5), idle=HALF_A_SECOND, answer=HALF_A_SECOND)
PATIENT = timedelta(seconds=20)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def client_of(
    resolver: Resolver | None = None, *, policy: Policy = LOOPBACK, deadlines: Deadlines | None = None
) -> RemoteClient:
    return RemoteClient(policy, resolver or names(), deadlines=deadlines)


def names(**more: list[str]) -> TableResolver:
    return TableResolver({"files.test": ["127.0.0.2"], "other.test": ["127.0.0.2"], **more})


class Servers:
    """Starts servers, on 127.0.0.2 mostly, that end with the test."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack

    async def http(
        self,
        handler: Handler,
        *,
        host: str = "127.0.0.2",
        tls: ssl.SSLContext | None = None,
        inflates: bool = True,
    ) -> int:
        """An aiohttp server, all of whose paths are ``handler``; gives its port."""
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", handler)
        server = TestServer(app, host=host, scheme="https" if tls else "http")
        await server.start_server(ssl=tls, auto_decompress=inflates)
        self._stack.push_async_callback(cut, server.port or 0)
        self._stack.push_async_callback(server.close)
        return server.port or 0

    async def raw(self, talk: Talk) -> int:
        """A server that speaks TCP only; a connection ends with its ``talk``."""
        talks: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            talks.add(task)
            with suppress(ConnectionError, asyncio.CancelledError):
                await talk(reader, writer)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.2", 0)

        async def stop() -> None:
            server.close()
            for task in talks:
                task.cancel()
            await asyncio.gather(*talks, return_exceptions=True)

        self._stack.push_async_callback(stop)
        return int(server.sockets[0].getsockname()[1])


async def body_of(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def read_all(client: RemoteClient, url: str, *, start: int = 0) -> bytes:
    async with client.get(url, start=start) as download:
        return b"".join([chunk async for chunk in download])


async def whole_file(request: web.Request) -> web.StreamResponse:
    """A server as it should be: ranges, and a strong ETag."""
    start = int(request.headers.get("Range", "bytes=0-")[6:-1])
    if start == 0:
        return web.Response(body=CONTENT, headers={"ETag": '"one"'})
    whole = len(CONTENT)
    headers = {"ETag": '"one"', "Content-Range": f"bytes {start}-{whole - 1}/{whole}"}
    return web.Response(status=206, body=CONTENT[start:], headers=headers)
