"""Tells the guard of the connection when a request is at work."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from aiohttp import web
from aiohttp.typedefs import Handler

from services.listener.guard import Guard

READING = frozenset({"GET", "HEAD"})
"""The methods that change nothing."""


@web.middleware
async def mark_at_work(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Mark the connection as at work, so that it is neither evicted nor ended as idle.

    A request that only reads is cancelled if its client goes. One that may change something runs to its end:
    half of a change helps nobody, and a repeated request with an ``Idempotency-Key`` wants its result.
    """
    only_reads, guard = request.method in READING, _guard_of(request)
    if only_reads and request.transport is None:
        raise asyncio.CancelledError  # the client has gone before the request began
    if guard is None:
        return await handler(request)
    guard.begin_request(asyncio.current_task() if only_reads else None)
    try:
        return await handler(request)
    finally:
        guard.end_request()


async def spare_event_streams(
    request: web.Request, response: web.StreamResponse, *, longest: timedelta
) -> None:
    """Hold event streams to no least rate for as long as they may last, as there may be nothing to tell."""
    guard = _guard_of(request)
    if guard is not None and response.content_type == "text/event-stream":
        guard.spare(seconds=longest.total_seconds())


def _guard_of(request: web.Request) -> Guard | None:
    """Return the guard of the request's connection; None if the client is gone."""
    protocol = request.transport.get_protocol() if request.transport is not None else None
    return protocol if isinstance(protocol, Guard) else None
