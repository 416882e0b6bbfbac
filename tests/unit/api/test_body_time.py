"""A client that sends a body pays for the time in which we wait for it, and for no other time."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from services.api.http.body_time import BodyLimits, BodyTime
from shared.errors import TimedOut
from tests.support.guarded import Clock

LIMITS = BodyLimits()
KIB, MIB, GIB = 1024, 1024**2, 1024**3


class Client:
    """A client that sends so many bytes after so many seconds, again and again."""

    def __init__(self, clock: Clock, *, size: int, seconds: float) -> None:
        self._clock, self._size, self._seconds = clock, size, seconds
        self.sent = 0

    async def read(self) -> bytes:
        await asyncio.sleep(0)  # who has to wait for nothing is not too slow
        self._clock.now += self._seconds
        self.sent += self._size
        return bytes(self._size)


async def _chunks_until_refused(client: Client, body: BodyTime, *, most: int) -> int:
    for count in range(most):
        try:
            await body.receive(client.read)
        except TimedOut:
            return count
    return most


@pytest.mark.parametrize(
    ("size", "seconds", "chunks"),
    [
        (1, 5, 13),  # a minute, and what was on its way
        (1024, 2, 60),  # half the rate: a second too much each time
    ],
)
async def test_a_body_that_drips_is_refused(size: int, seconds: float, chunks: int) -> None:
    clock = Clock()
    client = Client(clock, size=size, seconds=seconds)

    assert (
        await _chunks_until_refused(client, BodyTime(LIMITS, length=None, clock=clock), most=1000) == chunks
    )


@pytest.mark.parametrize(("size", "seconds"), [(1024, 1), (100 * KIB, 50)])
async def test_a_slow_body_over_the_least_rate_is_taken(size: int, seconds: float) -> None:
    clock = Clock()
    client = Client(clock, size=size, seconds=seconds)

    assert await _chunks_until_refused(client, BodyTime(LIMITS, length=None, clock=clock), most=1000) == 1000


async def test_the_time_that_we_take_costs_the_client_nothing() -> None:
    clock = Clock()
    client = Client(clock, size=1, seconds=0.001)
    body = BodyTime(LIMITS, length=None, clock=clock)
    for _ in range(100):
        await body.receive(client.read)
        clock.now += 600  # the storage was away


@pytest.mark.parametrize(
    ("length", "deadline"),
    [
        (0, timedelta(minutes=15)),
        (32 * KIB * 3600, timedelta(minutes=75)),
        (100 * GIB, timedelta(hours=24)),
        (None, timedelta(hours=24)),
    ],
)
def test_a_body_has_a_deadline_by_its_length(length: int | None, deadline: timedelta) -> None:
    assert LIMITS.longest_for(length) == deadline


async def test_a_body_at_the_least_rate_is_refused_at_its_deadline() -> None:
    clock = Clock()
    client = Client(clock, size=KIB, seconds=1)
    body = BodyTime(LIMITS, length=4 * MIB, clock=clock)

    chunks = await _chunks_until_refused(client, body, most=4 * KIB)

    assert chunks == LIMITS.longest_for(4 * MIB).total_seconds()


async def test_nobody_waits_for_a_client_without_credit() -> None:
    limits = BodyLimits(grace=timedelta(microseconds=1))

    with pytest.raises(TimedOut):
        await BodyTime(limits, length=None).receive(_nothing)


async def _nothing() -> bytes:
    await asyncio.Event().wait()
    return b""
