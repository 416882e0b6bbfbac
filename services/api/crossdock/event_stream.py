"""Streams events to clients as server-sent events (HTML standard, section 9.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta

import msgspec
from aiohttp import web

from services.api.gitlab.health import HEALTH
from services.api.http.caller import find_session_of_caller, require_caller, require_token
from services.api.http.errors import ParametersInvalid, TooManyStreams
from services.api.http.parameters import ParameterReader, integer
from services.api.http.places import PLACES, holder_of
from services.api.http.responses import external_url
from services.api.use_cases import use_cases
from shared.admission import ShareUsed
from shared.events.cloud_events import cloud_event, to_json_object
from shared.events.models import Event
from shared.usecases.credential_watch import credential_of
from shared.usecases.events import EventSource

_HEARTBEAT = timedelta(seconds=15)
_RETRY = b"retry: 2000\n\n"
_HERE = b": still here\nid: %d\n\n"
"""A comment with an id but no data: clients see no event, and remember the id."""
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

LONGEST_STREAM = web.AppKey("longest_stream", timedelta)


def last_seen(request: web.Request) -> int | None:
    """Read the id of the last event that the client received. Raises ParametersInvalid.

    A browser's first request has no such header, and ``after`` in its place; later ones have both.
    """
    for name, given in (("Last-Event-ID", request.headers.get("Last-Event-ID")), ("after", _after(request))):
        if given is not None:
            read = integer(given)
            if read is None or read < 0:
                raise ParametersInvalid(f"{name} is invalid")
            return read
    return None


def _after(request: web.Request) -> str | None:
    return request.query.get("after") or None


def _as_messages(request: web.Request) -> bool:
    """Return whether events have no names of their own: a browser needs a listener for each name."""
    reader = ParameterReader(request.query)
    form = reader.choice("as", ("event", "message"))
    reader.finish()
    return form == "message"


async def stream(request: web.Request, source: EventSource) -> web.StreamResponse:
    """Send events until the source ends, the process drains, or the stream reaches its maximum duration.

    It also ends within four seconds after the caller's token or session has. A client that reconnects with
    ``Last-Event-ID`` continues after that event; its token is checked again.
    The stream sends its position at the start, so that a client can reconnect before the first event.

    Raises TooManyStreams for who holds its share of the streams, and PlacesTaken for others.
    """
    require_caller(request)
    as_messages = _as_messages(request)
    response = web.StreamResponse(headers=_HEADERS)
    response.content_type = "text/event-stream"
    async with _place(request):
        await response.prepare(request)
        if request.method != "HEAD":
            await _send(request, response, _while_valid(request, source), as_messages=as_messages)
    return response


@asynccontextmanager
async def _place(request: web.Request) -> AsyncIterator[None]:
    streams, holder = request.app[PLACES].streams, holder_of(request)
    try:
        await streams.take(holder)
    except ShareUsed:
        raise TooManyStreams(streams.limits) from None
    try:
        yield
    finally:
        streams.release(holder)


async def _while_valid(request: web.Request, source: EventSource) -> EventSource:
    """Give what the source gives as long as what the caller came with holds."""
    watch = use_cases(request).tokens.watch
    credential = credential_of(require_token(request), find_session_of_caller(request))
    async with aclosing(source), watch.watching(credential):
        async for seen in source:
            if not await watch.holds(credential):
                return
            yield seen


async def _send(
    request: web.Request, response: web.StreamResponse, source: EventSource, *, as_messages: bool
) -> None:
    clock = asyncio.get_running_loop().time
    end = clock() + request.app[LONGEST_STREAM].total_seconds()
    heard = float("-inf")
    await response.write(_RETRY)
    async with aclosing(source):
        async for seen in source:
            sent = b"".join(
                _frame(each, external_url(request), as_message=as_messages)
                for each in (*seen.progress, *seen.events)
            )
            if not sent and clock() > heard + _HEARTBEAT.total_seconds():
                sent = _HERE % seen.up_to
            if sent:
                await response.write(sent)
                heard = clock()
            if request.app[HEALTH].readiness.draining or clock() > end:
                return


def _frame(event: Event, source: str, *, as_message: bool) -> bytes:
    """Make an event of the stream. A live one has no id, so that the reader's last id stays."""
    data = msgspec.json.encode(to_json_object(cloud_event(event, source=source)))
    number = b"" if event.is_live else b"id: %d\n" % event.id
    name = b"" if as_message else b"event: %s\n" % event.name.encode()
    return b"%s%sdata: %s\n\n" % (number, name, data)
