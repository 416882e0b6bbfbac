from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from shared.errors import StorageError
from shared.jobs.deadlines import AttemptClock, Deadlines, JobOverdue, JobStuck
from shared.jobs.progress import Phase, Progress

LIMITS = Deadlines(total=timedelta(hours=2), idle=timedelta(minutes=10))
BEAT = 2


class Attempt:
    """An attempt whose clock the test moves, a heartbeat at a time."""

    def __init__(self) -> None:
        self.progress = Progress()
        self.is_storage_away = False
        self.looks = 0
        self._now = 0.0
        self._clock = AttemptClock(LIMITS, self.progress, check_storage=self._check, clock=lambda: self._now)

    async def _check(self) -> None:
        self.looks += 1
        if self.is_storage_away:
            raise StorageError("away")

    async def go_on(self, *, minutes: float, steps: bool = False, is_working: bool = True) -> None:
        for _ in range(int(minutes * 60 / BEAT)):
            self._now += BEAT
            self.progress.bytes_done += int(steps)
            await self._clock.count(is_working=is_working)


@pytest.fixture
def attempt() -> Attempt:
    return Attempt()


async def test_an_attempt_without_a_step_is_stuck(attempt: Attempt) -> None:
    await attempt.go_on(minutes=9.5)
    with pytest.raises(JobStuck, match="nothing was read or written for 10 minutes"):
        await attempt.go_on(minutes=1)


async def test_an_attempt_that_takes_too_long_is_overdue_though_it_gets_on(attempt: Attempt) -> None:
    await attempt.go_on(minutes=119, steps=True)
    with pytest.raises(JobOverdue, match="longer than 2 hours, which is the limit"):
        await attempt.go_on(minutes=2, steps=True)


async def test_any_step_begins_the_idle_time_anew(attempt: Attempt) -> None:
    progress = attempt.progress
    steps: list[Callable[[], None]] = [
        lambda: progress.begin(Phase.READING),
        lambda: setattr(progress, "bytes_done", 1),
        lambda: setattr(progress, "other_bytes", 1),
        lambda: setattr(progress, "entries", 1),
        lambda: setattr(progress.relation("issues"), "lines", 1),
        lambda: setattr(progress.relation("issues"), "failed", 1),
    ]
    for step in steps:
        await attempt.go_on(minutes=9)
        step()
    with pytest.raises(JobStuck):
        await attempt.go_on(minutes=11)


async def test_time_without_the_database_does_not_count(attempt: Attempt) -> None:
    await attempt.go_on(minutes=120, is_working=False)
    await attempt.go_on(minutes=9)
    with pytest.raises(JobStuck):
        await attempt.go_on(minutes=2)


async def test_time_without_the_storage_does_not_count(attempt: Attempt) -> None:
    attempt.is_storage_away = True
    await attempt.go_on(minutes=120)
    attempt.is_storage_away = False
    await attempt.go_on(minutes=9)
    with pytest.raises(JobStuck):
        await attempt.go_on(minutes=2)


async def test_the_storage_is_asked_only_where_an_attempt_does_not_get_on(attempt: Attempt) -> None:
    await attempt.go_on(minutes=50, steps=True)
    assert attempt.looks == 0
    await attempt.go_on(minutes=1)
    assert attempt.looks == 3  # every 15 seconds, as the heartbeats of 2 seconds allow
