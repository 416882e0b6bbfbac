"""Events as a stream for browsers and the like: server-sent events (the HTML standard, section 9.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta

import msgspec
from aiohttp import web

from services.api.dependencies import DEPENDENCIES
from services.api.http.errors import ParametersInvalid, Refused
from services.api.http.parameters import integer
from services.api.http.streams import write
from services.api.middleware.identify import require_caller
from services.api.middleware.outages import Unavailable
from shared.events.announcement import cloud_event
from shared.events.cloud_events import structured
from shared.events.models import Event

AT_ONCE = 100
"""Events that one stream holds."""

EVERY = timedelta(seconds=1)
"""How often a stream looks for more: an event is that late at most."""

_MOST_STREAMS = 200
"""Of one process; each asks the database once in ``EVERY``."""
_MOST_OF_A_USER = 20
_HEARTBEAT = timedelta(seconds=15)
_RETRY = b"retry: 2000\n\n"
_HERE = b": still here\nid: %d\n\n"
"""Without data it is no event, and sets the id all the same."""
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@dataclass(frozen=True, slots=True)
class Seen:
    """What is new, and the id up to which everything was looked at: from there a reader goes on."""

    events: Sequence[Event]
    up_to: int


Source = AsyncGenerator[Seen, None]
"""Gives what is new, nothing where there is nothing, and ends where no more can come."""

Look = Callable[[int], Awaitable[Sequence[Event]]]
"""Gives what comes after an event's id, in order."""

STREAMS = web.AppKey("streams", list[int])
"""Whose streams there are."""


def last_seen(request: web.Request) -> int | None:
    """Read which event its reader has got last. Raises 400."""
    given = request.headers.get("Last-Event-ID")
    if given is None:
        return None
    read = integer(given)
    if read is None or read < 0:
        raise ParametersInvalid("Last-Event-ID is invalid")
    return read


async def stream(request: web.Request, source: Source) -> web.StreamResponse:
    """Send events until the source ends, the process stops, or the stream has lasted long enough.

    A reader that comes back with ``Last-Event-ID`` goes on where he was; his token is judged anew then. He
    is told where he is from the start on, so that he misses nothing where nothing came yet. Raises 429 where
    he has too many streams, and 503 where there are too many of all.
    """
    caller = require_caller(request)
    response = web.StreamResponse(headers=_HEADERS)
    response.content_type = "text/event-stream"
    streams = request.app[STREAMS]
    if streams.count(caller.id) >= _MOST_OF_A_USER:
        reason = f"429 Too Many Requests - over the limit of {_MOST_OF_A_USER} streams"
        raise Refused(429, reason, headers={"Retry-After": "10"})
    if len(streams) >= _MOST_STREAMS:
        raise Unavailable
    streams.append(caller.id)
    try:
        await response.prepare(request)
        if request.method != "HEAD":
            await _send(request, response, source)
    finally:
        streams.remove(caller.id)
    return response


async def _send(request: web.Request, response: web.StreamResponse, source: Source) -> None:
    clock = asyncio.get_running_loop().time
    dependencies = request.app[DEPENDENCIES]
    end = clock() + dependencies.config.longest_stream.total_seconds()
    heard = float("-inf")
    await write(response, _RETRY)
    async with aclosing(source):
        async for seen in source:
            sent = b"".join(_frame(each, dependencies.config.external_url) for each in seen.events)
            if not sent and clock() > heard + _HEARTBEAT.total_seconds():
                sent = _HERE % seen.up_to
            if sent:
                await write(response, sent)
                heard = clock()
            if dependencies.readiness.draining or clock() > end:
                return


def _frame(event: Event, source: str) -> bytes:
    data = msgspec.json.encode(structured(cloud_event(event, source=source)))
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.id, event.name.encode(), data)


async def following(look: Look, *, after: int) -> Source:
    """Look again and again; each time after what was given last."""
    while True:
        events = await look(after)
        if events:
            after = events[-1].id
        yield Seen(events, after)
        if len(events) < AT_ONCE:
            await asyncio.sleep(EVERY.total_seconds())
