"""Limits the number of requests that send content at the same time."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from aiohttp import web
from aiohttp.typedefs import Handler

from services.api.http.endpoint import has_content
from shared.admission import hold_place

SLOTS = web.AppKey("slots", asyncio.Semaphore)
"""The free places for requests whose bodies are content."""

_PATIENCE = timedelta(minutes=1)


@web.middleware
async def limit_uploads(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Wait for a free place before a request may send content, as each needs memory.

    The body is not read while it waits. Raises Unavailable after a minute.
    """
    if not has_content(request):
        return await handler(request)
    async with hold_place(request.app[SLOTS], patience=_PATIENCE):
        return await handler(request)
