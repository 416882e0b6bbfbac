"""Streams responses that are too long to hold in memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping

from aiohttp import web

_HELD = 256 * 1024
_JSON = "application/json"


async def json_list(
    request: web.Request, items: AsyncIterator[bytes], *, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Respond with a list of encoded items: in one piece if it is short, otherwise in chunks."""
    if request.method == "HEAD":
        return web.Response(headers=headers, content_type=_JSON)
    held = bytearray()
    response: web.StreamResponse | None = None
    async for piece in _array(items):
        held += piece
        if len(held) > _HELD:
            response = response or await _begin(request, headers)
            await response.write(bytes(held))
            held.clear()
    if response is None:
        return web.Response(body=bytes(held), headers=headers, content_type=_JSON)
    await response.write(bytes(held))
    await response.write_eof()
    return response


async def send_pieces(
    request: web.Request, pieces: AsyncIterator[bytes], *, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Respond with pieces as they come, in chunks; to HEAD with the headers alone."""
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    if request.method != "HEAD":
        async for piece in pieces:
            await response.write(piece)
    await response.write_eof()
    return response


async def _array(items: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    before = b"["
    async for item in items:
        yield before + item
        before = b","
    yield b"]" if before == b"," else b"[]"


async def _begin(request: web.Request, headers: Mapping[str, str]) -> web.StreamResponse:
    response = web.StreamResponse(headers=headers)
    response.content_type = _JSON
    await response.prepare(request)
    return response
