"""Streams of job events, for users who are maintainers of the jobs' projects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta

from shared.accounts.models import AccessLevel, User
from shared.database.pool import Database, Pool, one_moment
from shared.events.live_progress import LiveProgress, ProgressTeller, without_relations
from shared.events.models import Event, LastWord
from shared.events.stream import Horizon, find_last_word, highest_id, list_of_job, list_up_to
from shared.jobs.states import TERMINAL
from shared.projects import access
from shared.usecases.access import require_user
from shared.usecases.errors import NotFound
from shared.usecases.jobs import find_job

AT_ONCE = 100
"""The number of events that one stream holds in memory."""

EVERY = timedelta(seconds=1)
"""The interval at which a stream polls the database, so the greatest delay of an event."""

_SHARED_LOOK = timedelta(seconds=0.2)
"""How long streams of a process share a look for what is settled, by which events may be later."""


@dataclass(frozen=True, slots=True)
class EventBatch:
    """New events, and the id of the last event that was examined, after which the stream continues.

    ``progress`` is that of running jobs, in events that are not stored.
    """

    events: Sequence[Event]
    up_to: int
    progress: Sequence[Event] = ()


EventSource = AsyncGenerator[EventBatch, None]
"""Yields a value after every poll, also without new events. Ends if no more events can follow."""

ReadAfter = Callable[[int], Awaitable[Sequence[Event]]]
"""Returns the events after an event's id, in order."""


class Events:
    """Opens streams of events."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._live = LiveProgress(pool)
        self._horizon = Horizon(lasts=_SHARED_LOOK)

    async def find_position(self) -> int | None:
        """Return the id of an event: what is read from now on knows of it, and of all before it.

        None where that is not known yet, as transactions have not ended since the process started.
        """
        return await self._horizon.look(self._pool) or None

    async def follow_job(
        self, actor: User | None, job_id: int | None, *, after: int, until_now: bool = False
    ) -> EventSource | None:
        """Return a stream of one job's events until its end; None if no event can follow the event ``after``.

        With ``until_now`` it has the events that there are, and ends. The events of a job that went with its
        project can be read as long as they are kept.

        Raises Unauthenticated and NotFound.
        """
        found, has_ended = await self._find(actor, job_id)
        if has_ended and not await list_of_job(self._pool, found, after=after, limit=1):
            return None
        return self._follow_until_end(found, after=after, until_now=until_now)

    async def _find(self, actor: User | None, job_id: int | None) -> tuple[int, bool]:
        """Return the id of a job, and whether it has ended. Raises Unauthenticated and NotFound."""
        try:
            async with one_moment(self._pool) as db:
                job = (await find_job(db, actor, job_id)).report.job
        except NotFound:
            return (await self.find_last_word(actor, job_id)).event.job_id, True
        return job.id, job.state in TERMINAL

    async def find_last_word(self, actor: User | None, job_id: int | None) -> LastWord:
        """Return the last word of a job that went with its project, for as long as jobs are kept.

        Raises Unauthenticated and NotFound.
        """
        user = require_user(actor)
        async with one_moment(self._pool) as db:
            word = None if job_id is None else await find_last_word(db, job_id)
            if word is None or not await _select_visible(db, user, [word.event]):
                raise NotFound("Job")
        return word

    async def follow_all(self, actor: User | None, *, after: int | None) -> EventSource:
        """Return a stream of the events of all jobs in the user's projects, after ``after`` or from now on.

        Raises Unauthenticated.
        """
        user = require_user(actor)
        return self._follow_maintained(user, after=await highest_id(self._pool) if after is None else after)

    async def _follow_until_end(self, job_id: int, *, after: int, until_now: bool) -> EventSource:
        async def read(after: int) -> list[Event]:
            return await list_of_job(self._pool, job_id, after=after, limit=AT_ONCE)

        teller = ProgressTeller(self._live, shows=lambda event: event.job_id == job_id)
        async with aclosing(_follow(read, teller, after=after)) as source:
            async for seen in source:
                yield seen
                if seen.events and _ends(seen.events[-1]):
                    return
                if until_now and len(seen.events) < AT_ONCE:
                    return

    async def _follow_maintained(self, user: User, *, after: int) -> EventSource:
        async def read(after: int) -> list[Event]:
            up_to = await self._horizon.look(self._pool)
            return await list_up_to(self._pool, after=after, up_to=up_to, limit=AT_ONCE)

        teller = ProgressTeller(self._live, shows=lambda _event: True)
        async with aclosing(_follow(read, teller, after=after)) as source:
            async for seen in source:
                visible = await _select_visible(self._pool, user, [*seen.events, *seen.progress])
                yield EventBatch(
                    [each for each in visible if not each.is_live],
                    seen.up_to,
                    [without_relations(each) for each in visible if each.is_live],
                )


async def _follow(read: ReadAfter, teller: ProgressTeller, *, after: int) -> EventSource:
    """Poll with ``read``; each call reads after the last event of the call before.

    Progress is read before the events, and told once the stream has caught up with them, so that it is never
    of a job whose end was told. A job of which there are events tells nothing else in that batch.
    """
    clock = asyncio.get_running_loop().time
    caught_up: float | None = None
    while True:
        progress = [] if caught_up is None else await teller.tell(since=caught_up, up_to=after)
        events = await read(after)
        caught_up = clock() if len(events) < AT_ONCE else None
        if events:
            after = events[-1].id
        told = {each.job_id for each in events}
        yield EventBatch(events, after, [each for each in progress if each.job_id not in told])
        if caught_up is not None:
            await asyncio.sleep(EVERY.total_seconds())


def _ends(event: Event) -> bool:
    return event.name.rpartition(".")[2] in {state.value for state in TERMINAL}


async def _select_visible(db: Database, user: User, events: Sequence[Event]) -> list[Event]:
    """Return the events that the user may see.

    These are the events of projects of which the user is a maintainer now and, for deleted projects, those
    of the user's own jobs.
    """
    if user.is_admin:
        return list(events)
    projects = {event.project_id for event in events}
    levels = await access.project_levels(db, user.id, projects) if projects else {}
    administered = {number for number, level in levels.items() if level >= AccessLevel.MAINTAINER}
    gone = projects - levels.keys()
    return [
        event
        for event in events
        if event.project_id in administered
        or (event.project_id in gone and event.data.get("user_id") == user.id)
    ]
