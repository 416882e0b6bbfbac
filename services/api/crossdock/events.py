"""Events of jobs, for maintainers of their projects."""

from __future__ import annotations

from aiohttp import web

from services.api.crossdock.event_stream import last_seen, stream
from services.api.http.caller import find_caller, require_caller
from services.api.http.parameters import ParameterReader, integer
from services.api.use_cases import use_cases


async def of_one(request: web.Request) -> web.StreamResponse:
    """GET /api/crossdock/v1/jobs/:id/events: 204 (do not reconnect) if the client has the last event."""
    after, job_id = last_seen(request) or 0, integer(request.match_info["id"])
    reader = ParameterReader(request.query)
    follow = reader.boolean("follow", default=True)
    reader.finish()
    events = use_cases(request).events
    source = await events.follow_job(find_caller(request), job_id, after=after, until_now=not follow)
    return web.Response(status=204) if source is None else await stream(request, source)


async def index(request: web.Request) -> web.StreamResponse:
    """GET /api/crossdock/v1/events: events from now on, or after the last event that the client received."""
    caller = require_caller(request)
    events = use_cases(request).events
    return await stream(request, await events.follow_all(caller, after=last_seen(request)))
