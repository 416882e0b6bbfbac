from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from shared.errors import StorageError
from shared.jobs.storage_gate import StorageGate
from tests.support.waiting import until

BEGINNING = datetime(2026, 11, 27, tzinfo=UTC)


class Storage:
    """A storage that is away for as long as the test says, and a gate whose pauses the test ends."""

    def __init__(self, *, chance: float = 0) -> None:
        self.error: Exception | None = StorageError("away")
        self.probes = 0
        self.pauses: list[float] = []
        self.now = BEGINNING
        self._steps: asyncio.Queue[None] = asyncio.Queue()
        self.gate = StorageGate(self._check, clock=lambda: self.now, sleep=self._sleep, chance=lambda: chance)

    async def _check(self) -> None:
        self.probes += 1
        if self.error is not None:
            raise self.error

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await self._steps.get()

    async def pass_pauses(self, count: int) -> None:
        """Let that many pauses pass, each with the probe behind it."""
        for _ in range(count):
            before = self.probes
            self._steps.put_nowait(None)
            await until(lambda before=before: self.probes > before)  # type: ignore[misc]  # it is called at once


@pytest.fixture
async def storage() -> AsyncIterator[Storage]:
    made = Storage()
    yield made
    await made.gate.close()


async def test_the_gate_is_closed_until_a_probe_is_answered(storage: Storage) -> None:
    opened: list[bool] = []
    storage.gate.on_open(lambda: opened.append(True))
    assert _state(storage.gate) == (None, 0)
    assert not await storage.gate.is_there()
    storage.now += timedelta(seconds=90)
    assert _state(storage.gate) == (BEGINNING, 90)

    await storage.pass_pauses(2)
    assert not opened
    storage.error = None
    await storage.pass_pauses(1)
    await until(lambda: opened)

    assert _state(storage.gate) == (None, 0)
    assert await storage.gate.is_there()


def _state(gate: StorageGate) -> tuple[datetime | None, float]:
    return gate.away_since, gate.away_seconds()


async def test_the_pauses_between_probes_double_up_to_half_a_minute(storage: Storage) -> None:
    await storage.gate.is_there()
    await storage.pass_pauses(7)
    await until(lambda: len(storage.pauses) == 8)
    assert storage.pauses == [1, 2, 4, 8, 16, 30, 30, 30]


async def test_a_pause_is_shorter_at_random_by_a_half_at_most() -> None:
    storage = Storage(chance=1)
    await storage.gate.is_there()
    await until(lambda: storage.pauses)
    assert storage.pauses == [0.5]
    await storage.gate.close()


async def test_those_who_ask_at_once_share_one_probe_and_those_who_ask_later_none(storage: Storage) -> None:
    assert await asyncio.gather(*(storage.gate.is_there() for _ in range(16))) == [False] * 16
    assert not await storage.gate.is_there()
    assert storage.probes == 1


async def test_a_probe_that_fails_in_an_unforeseen_way_leaves_the_gate_open(storage: Storage) -> None:
    await storage.gate.is_there()
    storage.error = LookupError("a bug")
    await storage.pass_pauses(1)
    await until(lambda: storage.gate.away_since is None)
