"""Events of jobs as they come, to those who may administer their projects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta

from shared.accounts.models import AccessLevel, User
from shared.database.pool import Database, Pool, one_moment
from shared.events.models import Event
from shared.events.stream import Horizon, highest_id, list_of_job, list_up_to
from shared.jobs.models import Job
from shared.jobs.states import TERMINAL
from shared.projects import access, store
from shared.usecases.access import require_user
from shared.usecases.jobs import find_job

AT_ONCE = 100
"""Events that one reader holds."""

EVERY = timedelta(seconds=1)
"""How often a reader looks for more: an event is that late at most."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is new, and the id up to which everything was looked at: from there a reader goes on."""

    events: Sequence[Event]
    up_to: int


EventSource = AsyncGenerator[Seen, None]
"""Gives what is new, nothing where there is nothing, and ends where no more can come."""

ReadAfter = Callable[[int], Awaitable[Sequence[Event]]]
"""Gives what comes after an event's id, in order."""


class Events:
    """Events."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def of_job(self, actor: User | None, job_id: int | None, *, after: int) -> EventSource | None:
        """Follow one job to its end; None where nothing comes after the event ``after`` any more.

        Raises Unauthenticated and NotFound.
        """
        async with one_moment(self._pool) as db:
            job = (await find_job(db, actor, job_id)).report.job
        if job.state in TERMINAL and not await list_of_job(self._pool, job.id, after=after, limit=1):
            return None
        return self._until_the_end(job, after=after)

    async def of_all(self, actor: User | None, *, after: int | None) -> EventSource:
        """Follow all jobs that the user administers, from the event ``after`` or from now on.

        Raises Unauthenticated.
        """
        user = require_user(actor)
        return self._administered(user, after=await highest_id(self._pool) if after is None else after)

    async def _until_the_end(self, job: Job, *, after: int) -> EventSource:
        async def read(after: int) -> list[Event]:
            return await list_of_job(self._pool, job.id, after=after, limit=AT_ONCE)

        async with aclosing(_follow(read, after=after)) as source:
            async for seen in source:
                yield seen
                if seen.events and _ends(seen.events[-1]):
                    return

    async def _administered(self, user: User, *, after: int) -> EventSource:
        horizon = Horizon()

        async def read(after: int) -> list[Event]:
            return await list_up_to(
                self._pool, after=after, up_to=await horizon.look(self._pool), limit=AT_ONCE
            )

        async with aclosing(_follow(read, after=after)) as source:
            async for seen in source:
                yield Seen(await _visible(self._pool, user, seen.events), seen.up_to)


async def _follow(read: ReadAfter, *, after: int) -> EventSource:
    """Read again and again; each time after what was given last."""
    while True:
        events = await read(after)
        if events:
            after = events[-1].id
        yield Seen(events, after)
        if len(events) < AT_ONCE:
            await asyncio.sleep(EVERY.total_seconds())


def _ends(event: Event) -> bool:
    return event.name.rpartition(".")[2] in {state.value for state in TERMINAL}


async def _visible(db: Database, user: User, events: Sequence[Event]) -> list[Event]:
    """Keep those of projects that the user administers now, and of his own jobs of deleted ones."""
    if user.is_admin:
        return list(events)
    projects = {event.project_id for event in events}
    administered = {
        number
        for number in projects
        if await access.project_level(db, user.id, number) >= AccessLevel.MAINTAINER
    }
    others = projects - administered
    gone = others - await store.existing_ids(db, others) if others else others
    return [
        event
        for event in events
        if event.project_id in administered
        or (event.project_id in gone and event.data.get("user_id") == user.id)
    ]
