"""Answers that are longer than what should be held of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping

from aiohttp import web

from services.api.http import bodies

_HELD = 256 * 1024
_JSON = "application/json"


async def write(response: web.StreamResponse, chunk: bytes) -> None:
    """Send bytes to a client that takes them; raises ConnectionAbortedError for one that does not."""
    try:
        async with asyncio.timeout(bodies.IDLE.total_seconds()):
            await response.write(chunk)
    except TimeoutError:
        raise ConnectionAbortedError(f"the client took nothing for {bodies.IDLE}") from None


async def json_list(
    request: web.Request, items: AsyncIterator[bytes], *, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Answer a list of encoded items: at once where it is short, in chunks as they come where it is not."""
    if request.method == "HEAD":
        return web.Response(headers=headers, content_type=_JSON)
    held = bytearray()
    response: web.StreamResponse | None = None
    async for piece in _array(items):
        held += piece
        if len(held) > _HELD:
            response = response or await _begun(request, headers)
            await write(response, bytes(held))
            held.clear()
    if response is None:
        return web.Response(body=bytes(held), headers=headers, content_type=_JSON)
    await write(response, bytes(held))
    await response.write_eof()
    return response


async def _array(items: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    before = b"["
    async for item in items:
        yield before + item
        before = b","
    yield b"]" if before == b"," else b"[]"


async def _begun(request: web.Request, headers: Mapping[str, str]) -> web.StreamResponse:
    response = web.StreamResponse(headers=headers)
    response.content_type = _JSON
    await response.prepare(request)
    return response
