"""Events of jobs, to those who may administer their projects."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing

from aiohttp import web

from services.api.crossdock.event_stream import AT_ONCE, Seen, Source, following, last_seen, stream
from services.api.crossdock.jobs import find
from services.api.dependencies import DEPENDENCIES
from services.api.middleware.identify import require_caller
from shared.accounts.models import AccessLevel, User
from shared.database.pool import Database, Pool, one_moment
from shared.events.models import Event
from shared.events.stream import Horizon, of_all, of_job, top
from shared.jobs.states import TERMINAL
from shared.projects import access, store


async def of_one(request: web.Request) -> web.StreamResponse:
    """GET /api/crossdock/v1/jobs/:id/events; 204 to who has heard of the job's end, who so stays away."""
    seen = last_seen(request) or 0
    pool = request.app[DEPENDENCIES].pool
    async with one_moment(pool) as db:
        report, _ = await find(request, db)
    job = report.job
    if job.state in TERMINAL and not await of_job(pool, job.id, after=seen, limit=1):
        return web.Response(status=204)
    return await stream(request, _until_the_end(_of_job(pool, job.id, after=seen)))


def _of_job(pool: Pool, job_id: int, *, after: int) -> Source:
    async def look(after: int) -> list[Event]:
        return await of_job(pool, job_id, after=after, limit=AT_ONCE)

    return following(look, after=after)


async def _until_the_end(source: Source) -> Source:
    async with aclosing(source):
        async for seen in source:
            yield seen
            if seen.events and _ends(seen.events[-1]):
                return


def _ends(event: Event) -> bool:
    return event.name.rpartition(".")[2] in {state.value for state in TERMINAL}


async def index(request: web.Request) -> web.StreamResponse:
    """GET /api/crossdock/v1/events: from now on, or from the event that was seen last."""
    caller = require_caller(request)
    seen = last_seen(request)
    pool, horizon = request.app[DEPENDENCIES].pool, Horizon()
    after = await top(pool) if seen is None else seen
    return await stream(request, _administered(pool, caller, horizon, after=after))


async def _administered(pool: Pool, caller: User, horizon: Horizon, *, after: int) -> Source:
    async def look(after: int) -> list[Event]:
        return await of_all(pool, after=after, up_to=await horizon.look(pool), limit=AT_ONCE)

    async with aclosing(following(look, after=after)) as source:
        async for seen in source:
            yield Seen(await _visible(pool, caller, seen.events), seen.up_to)


async def _visible(db: Database, caller: User, events: Sequence[Event]) -> list[Event]:
    """Keep those of projects that the caller administers now, and of his own jobs of deleted ones."""
    if caller.is_admin:
        return list(events)
    projects = {event.project_id for event in events}
    administered = {
        number
        for number in projects
        if await access.project_level(db, caller.id, number) >= AccessLevel.MAINTAINER
    }
    others = projects - administered
    gone = others - await store.those_there(db, others) if others else others
    return [
        event
        for event in events
        if event.project_id in administered
        or (event.project_id in gone and event.data.get("user_id") == caller.id)
    ]
