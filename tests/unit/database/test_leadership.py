"""One process leads at a time, and another follows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

import pytest

from shared.database.leadership import Beat, Leadership
from shared.database.pool import Connection, Pool, database, session
from tests.support.statements import tapped
from tests.support.waiting import until

SOON = timedelta(milliseconds=10)
HOUR = timedelta(hours=1)
LEADER = """FROM pg_locks WHERE objid = 1701737587 AND granted AND pid <> pg_backend_pid()
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
"""The lock of this database's leader, by the lower half of its number; a server has others."""


class Leads:
    """Tells when it leads; ends when the session does."""

    def __init__(self) -> None:
        self.led = asyncio.Event()
        self.at_once = 0

    async def lead(self, db: Connection) -> None:
        self.at_once += 1
        self.led.set()
        lost = asyncio.Event()
        db.add_termination_listener(lambda *_: lost.set())
        try:
            await lost.wait()
        finally:
            self.at_once -= 1


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with database(database_url) as opened:
        yield opened


@asynccontextmanager
async def _offered(
    url: str, lead: Callable[[Connection], object], *, patience: timedelta = SOON, term: timedelta = HOUR
) -> AsyncIterator[asyncio.Task[None]]:
    leadership = Leadership(partial(session, url), patience=patience, retry=SOON, term=term)
    task = asyncio.create_task(leadership.run(lead))  # type: ignore[arg-type]
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=10)
        assert task.cancelled()


async def _end_leader(pool: Pool) -> None:
    assert await pool.fetchval(f"SELECT pg_terminate_backend(pid) {LEADER}")  # fixed texts


async def test_of_many_one_leads_and_another_follows_where_its_session_is_lost(
    pool: Pool, database_url: str
) -> None:
    leads = Leads()
    async with (
        _offered(database_url, leads.lead),
        _offered(database_url, leads.lead),
        _offered(database_url, leads.lead),
    ):
        for _ in range(5):
            await leads.led.wait()
            leads.led.clear()
            # One whose session was ended may hear of it only after the next one has the lock.
            await until(lambda: leads.at_once == 1)
            await _end_leader(pool)


async def test_a_leader_that_freezes_is_replaced(database_url: str) -> None:
    frozen, other = asyncio.Event(), Leads()

    async def freeze(_db: Connection) -> None:
        frozen.set()
        await asyncio.Event().wait()

    async with _offered(database_url, freeze, term=timedelta(milliseconds=100)):
        await frozen.wait()
        async with _offered(database_url, other.lead):
            await asyncio.wait_for(other.led.wait(), 10)


async def test_who_hears_the_leader_does_not_ask_and_who_hears_nothing_does(
    pool: Pool, database_url: str
) -> None:
    async with tapped(database_url) as sent, session(database_url) as leader:

        def asked() -> int:
            return sum("try_advisory" in text for text in sent.texts)

        assert await leader.fetchval("SELECT pg_try_advisory_lock(111559182283891)")
        async with _offered(sent.url, Leads().lead, patience=HOUR):
            await until(lambda: asked() == 1)
            for _ in range(10):
                await Beat(leader).send_if_due()
                await pool.fetchval("SELECT pg_sleep(0.01)")  # the other hears it meanwhile
            assert asked() == 1
        async with _offered(sent.url, Leads().lead):
            await until(lambda: asked() > 3)


async def test_who_led_leads_again_however_often_one_of_its_tasks_has_lost_the_database(
    database_url: str,
) -> None:
    led: list[int] = []
    led_again = asyncio.Event()

    async def lose() -> None:
        raise ConnectionResetError

    async def lead(_db: Connection) -> None:
        led.append(1)
        if len(led) == 3:
            led_again.set()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(lose())

    async with _offered(database_url, lead) as task:
        await asyncio.wait([task, asyncio.create_task(led_again.wait())], return_when=asyncio.FIRST_COMPLETED)
        assert led_again.is_set()


@pytest.mark.parametrize("turns", range(4))
async def test_a_leader_whose_session_is_lost_stops_when_cancelled(
    pool: Pool, database_url: str, turns: int
) -> None:
    leads = Leads()
    async with _offered(database_url, leads.lead) as task:
        await leads.led.wait()
        await _end_leader(pool)
        for _ in range(turns):  # the end of the session is seen before, or while, the task is cancelled
            await asyncio.sleep(0)
        task.cancel()
