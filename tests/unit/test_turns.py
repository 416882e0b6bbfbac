from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest

from shared import admission
from shared.admission import AT_ONCE, TurnQueue
from shared.errors import TimedOut, Unavailable


class _Work:
    """Takes turns that end when they are told to, and notes who is at work."""

    def __init__(self) -> None:
        self.turns = TurnQueue()
        self.at_work: list[int] = []
        self.most = 0
        self.end = asyncio.Event()

    async def take(self, number: int) -> None:
        async with self.turns.turn():
            self.at_work.append(number)
            self.most = max(self.most, len(self.at_work))
            await self.end.wait()
            self.at_work.remove(number)

    async def begin(self, count: int) -> list[asyncio.Task[None]]:
        """Begin as many, and let each come as far as it can."""
        tasks = [asyncio.create_task(self.take(number)) for number in range(count)]
        await asyncio.sleep(0)  # one turn of the loop is as far as they can come
        return tasks


async def test_two_are_at_work_at_once_and_the_others_follow() -> None:
    work = _Work()
    tasks = await work.begin(10)
    first = list(work.at_work)
    work.end.set()
    await asyncio.gather(*tasks)

    assert (first, work.most, work.at_work) == ([0, 1], AT_ONCE, [])


async def test_who_comes_when_so_many_wait_is_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "MOST_WAITING", 1)
    work = _Work()
    tasks = await work.begin(AT_ONCE + 1)

    with pytest.raises(Unavailable):
        await work.take(9)
    work.end.set()
    await asyncio.gather(*tasks)


async def test_nobody_waits_longer_than_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    work = _Work()
    tasks = await work.begin(AT_ONCE)
    monkeypatch.setattr(admission, "LONGEST_WAIT", timedelta(0))

    with pytest.raises(Unavailable):
        await work.take(9)
    work.end.set()
    await asyncio.gather(*tasks)
    await work.take(9)


async def test_a_turn_that_takes_too_long_is_given_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "LONGEST_TURN", timedelta(0))
    work = _Work()

    ends = await asyncio.gather(*(work.take(number) for number in range(3)), return_exceptions=True)

    assert [type(end) for end in ends] == [TimedOut] * 3


async def test_a_turn_whose_work_is_canceled_is_given_to_another() -> None:
    work = _Work()
    for task in await work.begin(AT_ONCE):
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    work.end.set()

    async with asyncio.timeout(10):
        await work.take(9)
