"""Limits the number of requests that send content at the same time."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from services.api.http.endpoint import has_content
from services.api.http.places import PLACES, holder_of


@web.middleware
async def limit_uploads(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Wait for a place of the caller's share before a request may send content, as each needs memory.

    The body is not read while it waits. Raises ShareUsed and PlacesTaken.
    """
    if not has_content(request):
        return await handler(request)
    async with request.app[PLACES].uploads.hold(holder_of(request)):
        return await handler(request)
