from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

import pytest

from shared.broker.base import MAX_BODY_BYTES, Message, MessageRefused, check_size
from shared.broker.memory import MemoryBroker
from shared.database.leadership import Leadership
from shared.database.pool import Pool, session
from shared.errors import BrokerError
from shared.events import store as events
from shared.events.relay import TOPIC, Relay
from shared.jobs import store as jobs
from tests.support.jobs import claimed, migrated, queued
from tests.support.waiting import until

SOURCE = "https://crossdock.example.com"
SOON = 10.0
AT_ONCE = timedelta(0)
QUICK = timedelta(milliseconds=10)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with migrated(database_url) as opened:
        yield opened


class Heard(MemoryBroker):
    """Remembers what it was given; takes nothing while it is ``away``, and never what it ``refuses``."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: asyncio.Queue[tuple[str, Message]] = asyncio.Queue()
        self.away = 0
        self.refuses = ""
        self.refused = 0

    async def emit(self, topic: str, message: Message, *, key: str) -> None:
        assert topic == TOPIC
        check_size(message)
        if key == self.refuses:
            self.refused += 1
            raise MessageRefused("full")
        if self.away:
            self.away -= 1
            raise BrokerError("away")
        self.messages.put_nowait((key, message))

    async def keys(self, count: int) -> list[str]:
        async with asyncio.timeout(SOON):
            return [(await self.messages.get())[0] for _ in range(count)]


@pytest.fixture
def broker() -> Heard:
    return Heard()


@asynccontextmanager
async def relaying(
    url: str, broker: Heard, *, relays: int = 1, patience: timedelta = AT_ONCE
) -> AsyncIterator[None]:
    relay = Relay(broker, source=SOURCE, retry=AT_ONCE, patience=patience)
    leadership = Leadership(partial(session, url), patience=QUICK, retry=QUICK)
    tasks = [asyncio.create_task(leadership.run(relay.run)) for _ in range(relays)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        assert all(
            isinstance(each, asyncio.CancelledError)
            for each in await asyncio.gather(*tasks, return_exceptions=True)
        )


async def _idle(pool: Pool) -> None:
    """Until every event is noted as published."""

    async def none() -> bool:
        return not await events.list_unpublished(pool, limit=1)

    await until(none)


async def test_events_are_published_in_order_whether_they_were_there_or_come(
    pool: Pool, database_url: str, broker: Heard
) -> None:
    lease = await claimed(pool, await queued(pool))
    async with relaying(database_url, broker):
        assert await broker.keys(2) == ["export.queued", "export.started"]
        await jobs.finish(pool, lease, progress={})
        assert await broker.keys(1) == ["export.finished"]


async def test_a_commit_wakes_the_relay(
    pool: Pool, database_url: str, broker: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.events.relay.BEAT", timedelta(hours=1))  # when it would look by itself
    async with relaying(database_url, broker):
        for _ in range(2):
            await queued(pool)
            await broker.keys(1)


async def test_an_event_is_a_cloud_event_with_its_job_and_trace(
    pool: Pool, database_url: str, broker: Heard
) -> None:
    job = await queued(pool)
    (event,) = await events.list_unpublished(pool, limit=1)
    async with relaying(database_url, broker):
        _, message = await broker.messages.get()
    attributes = {name.removeprefix("cloudEvents_"): value for name, value in message.headers.items()}
    assert attributes.pop("time").endswith("Z")
    assert attributes == {
        "specversion": "1.0", "id": str(event.id), "source": SOURCE, "type": "com.crossdock.export.queued.v1",
        "subject": "ann/p", "correlationid": "c", "sequence": f"{event.id:019}",
    }  # fmt: skip
    assert (message.message_id, message.correlation_id) == (str(event.id), "c")
    assert message.content_type == "application/json"
    assert f'"id":{job.id}'.encode() in message.body


async def test_of_many_relays_one_publishes(pool: Pool, database_url: str, broker: Heard) -> None:
    async with relaying(database_url, broker, relays=4):
        for _ in range(20):
            await queued(pool)
        await broker.keys(20)
        await _idle(pool)
    assert broker.messages.empty()


async def test_what_the_broker_did_not_take_is_published_again_in_order(
    pool: Pool, database_url: str, broker: Heard
) -> None:
    broker.away = 2
    await claimed(pool, await queued(pool))
    async with relaying(database_url, broker):
        assert await broker.keys(2) == ["export.queued", "export.started"]


async def test_an_event_that_is_too_large_holds_up_no_other(
    pool: Pool, database_url: str, broker: Heard
) -> None:
    await claimed(pool, await queued(pool))
    large = {"x": "x" * MAX_BODY_BYTES}
    await pool.execute("UPDATE events SET data = data || $1 WHERE name = 'export.queued'", large)
    async with relaying(database_url, broker):
        assert await broker.keys(1) == ["export.started"]
        await _idle(pool)


async def test_a_full_queue_of_somebody_holds_up_no_other_for_long(
    pool: Pool, database_url: str, broker: Heard
) -> None:
    broker.refuses = "export.queued"
    await claimed(pool, await queued(pool))
    await claimed(pool, await queued(pool))
    async with relaying(database_url, broker):
        assert await broker.keys(2) == ["export.started"] * 2
        await _idle(pool)
    assert broker.refused == 2


async def test_a_full_queue_is_waited_for_a_while(pool: Pool, database_url: str, broker: Heard) -> None:
    broker.refuses = "export.queued"
    await queued(pool)
    async with relaying(database_url, broker, patience=timedelta(hours=1)):
        await until(lambda: broker.refused >= 3)
        broker.refuses = ""
        assert await broker.keys(1) == ["export.queued"]


async def test_a_relay_that_died_before_it_noted_what_it_published_leaves_it_to_the_next(
    pool: Pool, database_url: str, broker: Heard
) -> None:
    await queued(pool)
    async with relaying(database_url, broker):
        await broker.keys(1)
        await _idle(pool)
    await pool.execute("UPDATE events SET published_at = NULL")
    async with relaying(database_url, broker):
        assert await broker.keys(1) == ["export.queued"]


async def test_a_relay_whose_session_is_ended_makes_room_for_another(
    pool: Pool, database_url: str, broker: Heard
) -> None:
    async with relaying(database_url, broker, relays=2):
        await queued(pool)
        await broker.keys(1)
        await _idle(pool)
        assert await pool.fetchval(
            """SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
        )
        await queued(pool)
        assert await broker.keys(1) == ["export.queued"]


async def test_an_uncommitted_move_is_not_published(pool: Pool, database_url: str, broker: Heard) -> None:
    async with relaying(database_url, broker):
        async with pool.acquire() as db, db.transaction():
            await queued(db)
            await queued(pool)
            (first,) = await broker.keys(1)
            await _idle(pool)
            assert broker.messages.empty()
        assert [first, *await broker.keys(1)] == ["export.queued"] * 2
