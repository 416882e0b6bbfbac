"""Streams events to clients as server-sent events (HTML standard, section 9.2)."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import timedelta

import msgspec
from aiohttp import web

from services.api.gitlab.health import HEALTH
from services.api.http.caller import require_caller
from services.api.http.errors import ParametersInvalid, TooManyStreams
from services.api.http.parameters import integer
from services.api.http.responses import external_url
from shared.errors import Unavailable
from shared.events.cloud_events import cloud_event, to_json_object
from shared.events.models import Event
from shared.usecases.events import EventSource

_MOST_STREAMS = 200
"""The maximum number of streams in a process. Each polls the database at the interval ``events.EVERY``."""
_MOST_OF_A_USER = 20
_WAIT = 10
"""Seconds after which a client with too many streams may try again."""

_HEARTBEAT = timedelta(seconds=15)
_RETRY = b"retry: 2000\n\n"
_HERE = b": still here\nid: %d\n\n"
"""A comment with an id but no data: clients see no event, and remember the id."""
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


STREAMS = web.AppKey("streams", list[int])
"""The user id of each open stream."""

LONGEST_STREAM = web.AppKey("longest_stream", timedelta)


def last_seen(request: web.Request) -> int | None:
    """Read the id of the last event that the client received. Raises ParametersInvalid."""
    given = request.headers.get("Last-Event-ID")
    if given is None:
        return None
    read = integer(given)
    if read is None or read < 0:
        raise ParametersInvalid("Last-Event-ID is invalid")
    return read


async def stream(request: web.Request, source: EventSource) -> web.StreamResponse:
    """Send events until the source ends, the process drains, or the stream reaches its maximum duration.

    A client that reconnects with ``Last-Event-ID`` continues after that event; its token is checked again.
    The stream sends its position at the start, so that a client can reconnect before the first event.

    Raises TooManyStreams at the user's limit, and Unavailable at the limit of the process.
    """
    caller = require_caller(request)
    response = web.StreamResponse(headers=_HEADERS)
    response.content_type = "text/event-stream"
    streams = request.app[STREAMS]
    if streams.count(caller.id) >= _MOST_OF_A_USER:
        raise TooManyStreams(f"over the limit of {_MOST_OF_A_USER} streams", wait=_WAIT)
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


async def _send(request: web.Request, response: web.StreamResponse, source: EventSource) -> None:
    clock = asyncio.get_running_loop().time
    end = clock() + request.app[LONGEST_STREAM].total_seconds()
    heard = float("-inf")
    await response.write(_RETRY)
    async with aclosing(source):
        async for seen in source:
            sent = b"".join(_frame(each, external_url(request)) for each in seen.events)
            if not sent and clock() > heard + _HEARTBEAT.total_seconds():
                sent = _HERE % seen.up_to
            if sent:
                await response.write(sent)
                heard = clock()
            if request.app[HEALTH].readiness.draining or clock() > end:
                return


def _frame(event: Event, source: str) -> bytes:
    data = msgspec.json.encode(to_json_object(cloud_event(event, source=source)))
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.id, event.name.encode(), data)
