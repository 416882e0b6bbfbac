"""How many requests may send content at once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from aiohttp import web
from aiohttp.typedefs import Handler

from services.api.http.endpoint import has_content
from shared.admission import hold_place

SLOTS = web.AppKey("slots", asyncio.Semaphore)
"""Free places for requests whose bodies are content."""

_PATIENCE = timedelta(minutes=1)


@web.middleware
async def limit_uploads(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let as many send content as there is memory for; others wait for a minute, their bodies unread.

    Raises Unavailable after a minute without a free place.
    """
    if not has_content(request):
        return await handler(request)
    async with hold_place(request.app[SLOTS], patience=_PATIENCE):
        return await handler(request)
