from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from yarl import URL

from shared.remote.errors import TooSlow, Unreachable
from shared.remote.pace import LeastRate, Pace
from shared.remote.upload import UploadBody

SLICE = 64 * 1024
ADDRESS = URL("https://example.com/x?sig=secret")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
LEAST = LeastRate(rate=1024, grace=timedelta(seconds=300))


class Hand:
    """A clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def upload_body(hand: Hand, *, slices: int) -> UploadBody:
    async def source() -> AsyncIterator[bytes]:
        for _ in range(slices):
            yield bytes(SLICE)
            hand.now += 1000  # our storage takes its time, which costs the remote nothing

    pace = Pace(LEAST, ADDRESS, clock=hand)
    return UploadBody(source(), ADDRESS, length=slices * SLICE, pace=pace, idle=MINUTE, answer=HOUR)


async def accepted(body: UploadBody, hand: Hand, *, seconds: float) -> int:
    """How many slices a remote accepts that takes ``seconds`` for each."""
    count = 0
    async with body.deadline(MINUTE):
        async for _ in body.chunks():
            hand.now += seconds
            count += 1
    return count


async def test_a_remote_that_accepts_at_the_least_rate_gets_all() -> None:
    hand = Hand()
    assert await accepted(upload_body(hand, slices=100), hand, seconds=64) == 100


async def test_a_remote_that_accepts_at_half_the_least_rate_is_left_after_its_grace() -> None:
    hand = Hand()
    body = upload_body(hand, slices=100)
    with pytest.raises(TooSlow, match=r"example\.com/\*\*\*\*\* is slower than 1024 bytes a second"):
        await accepted(body, hand, seconds=128)
    assert not body.complete


async def send_slowly(body: UploadBody, hand: Hand) -> None:
    async with body.wait_for_source():
        try:
            await accepted(body, hand, seconds=299)
        except TooSlow:
            raise Unreachable(ADDRESS, "was lost") from None


async def test_slowness_is_told_in_place_of_the_broken_connection_that_follows() -> None:
    hand = Hand()
    with pytest.raises(TooSlow):
        await send_slowly(upload_body(hand, slices=9), hand)


async def test_a_remote_that_has_all_is_given_the_time_for_its_answer() -> None:
    body = upload_body(Hand(), slices=2)
    async with body.deadline(MINUTE) as deadline:
        ends = [deadline.when() or 0 async for _ in body.chunks()]
        for_the_answer = deadline.when() or 0
    assert for_the_answer - ends[-1] > (HOUR - 2 * MINUTE).total_seconds()


def test_a_download_that_stands_still_for_its_grace_is_too_slow() -> None:
    hand = Hand()
    pace = Pace(LEAST, ADDRESS, clock=hand)
    pace.begin()
    hand.now += 299
    pace.end(0)
    hand.now += 1000
    pace.begin()
    hand.now += 1
    with pytest.raises(TooSlow):
        pace.end(0)
