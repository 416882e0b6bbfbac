"""How many statements the database gets while nobody asks for anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from services.process.maintenance import make_sweeper, make_webhook_sender
from services.process.ports import Ports
from shared.broker.memory import MemoryBroker
from shared.database.leadership import BEAT, Beat
from shared.database.pool import session
from shared.events.relay import Relay
from shared.jobs import presence, worker
from shared.jobs.claims import Shares, claim_next
from shared.jobs.models import JobKind
from shared.jobs.presence import Presence
from shared.settings.environment import Settings
from shared.storage.filesystem import FilesystemStore
from shared.webhooks.sender import SendingPace
from tests.support.jobs import migrated
from tests.support.sealing import sealer
from tests.support.statements import Statements, tapped

KINDS = len(JobKind)
"""What an importer and an exporter do together; the third service is an api."""

ROUNDS = 24
SETTINGS = Settings()
LEASE = timedelta(seconds=SETTINGS.lease_seconds)
MINUTE = timedelta(minutes=1)


@dataclass(slots=True)
class Idle:
    """Ports on a database without work, and what was sent to it."""

    ports: Ports
    sent: Statements
    now: float = 0.0


@pytest.fixture
async def idle(database_url: str, tmp_path: Path) -> AsyncIterator[Idle]:
    async with tapped(database_url) as sent, migrated(sent.url) as pool:
        ports = Ports(pool, FilesystemStore(tmp_path), MemoryBroker(), partial(session, sent.url), sealer())
        yield Idle(ports, sent)


async def _sweeping(idle: Idle) -> float:
    """Give the statements of a minute of rounds, by a clock that shows the time of each."""
    sweeper = make_sweeper(idle.ports, SETTINGS, clock=lambda: idle.now)
    await sweeper.sweep()
    before = idle.sent.count
    for _ in range(ROUNDS):
        idle.now += SETTINGS.sweep_seconds
        await sweeper.sweep()
    return (idle.sent.count - before) * (MINUTE.total_seconds() / SETTINGS.sweep_seconds) / ROUNDS


async def _count(idle: Idle, ask: Callable[[], Awaitable[object]]) -> int:
    """Count what is sent by ``ask``, when it is not the first time on its connection."""
    await ask()
    before = idle.sent.count
    await ask()
    return idle.sent.count - before


async def _relaying(idle: Idle) -> float:
    """Give the statements of a minute: a look for events, and a beat, each time."""
    relay, news = Relay(idle.ports.broker, source=""), asyncio.Event()
    async with idle.ports.session() as db:

        async def look() -> None:
            beat = Beat(db)
            await beat.send_if_due()
            await relay._relay(db, beat, news)

        return await _count(idle, look) * (MINUTE / BEAT)


async def _sending(idle: Idle) -> float:
    """Give the statements of a minute of looks for webhooks."""
    sender, pace = make_webhook_sender(idle.ports, SETTINGS), SendingPace()

    async def look() -> None:
        assert await sender._claim() is None
        assert await sender._pause_without_news() == pace.idle

    return await _count(idle, look) * (MINUTE / pace.idle)


async def _working(idle: Idle) -> float:
    """Give the statements of a minute of a worker of one kind: looks for a job, and reports."""
    there = Presence(kind=JobKind.EXPORT, name="w", slots=1)
    claim = partial(claim_next, idle.ports.pool, JobKind.EXPORT, worker="w", ttl=LEASE, shares=Shares())
    looks = await _count(idle, claim) * (MINUTE / worker._IDLE)
    reports = await _count(idle, partial(presence.report, idle.ports.pool, there))
    return looks + reports * (MINUTE / (LEASE / worker._REPORTS_PER_TTL))


async def test_three_idle_services_send_at_most_3_statements_a_second_and_thirty_at_most_10(
    idle: Idle,
) -> None:
    leader = await _sweeping(idle) + await _relaying(idle) + await _sending(idle)
    of_a_kind = await _working(idle)
    three, thirty = (leader + pairs * KINDS * of_a_kind for pairs in (1, 10))
    assert three / MINUTE.total_seconds() <= 3, idle.sent.table()
    assert thirty / MINUTE.total_seconds() <= 10, idle.sent.table()
