from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from shared.storage.s3_slots import Slots


async def settled(*tasks: asyncio.Task[None]) -> list[bool]:
    """Give everybody a turn, and tell who has got what he wants."""
    for _ in range(10):
        await asyncio.sleep(0)
    return [task.done() for task in tasks]


def begin(wanted: Awaitable[None]) -> asyncio.Task[None]:
    return asyncio.ensure_future(wanted)


@pytest.mark.parametrize(
    ("length", "others"),
    [(0, 4), (1, 3), (100, 3), (101, 2), (200, 2), (301, 0), (400, 0), (10**12, 0)],
)
async def test_a_part_takes_as_many_slots_as_it_fills_and_at_most_all(length: int, others: int) -> None:
    slots = Slots(4, size=100)
    await slots.acquire(length)
    waiting = [begin(slots.acquire(100)) for _ in range(4)]
    assert sum(await settled(*waiting)) == others
    slots.release(length)
    assert all(await settled(*waiting))


async def test_a_larger_part_waits_for_all_and_smaller_ones_that_come_later_wait_for_it() -> None:
    slots = Slots(2, size=100)
    await slots.acquire(100)
    large, small = begin(slots.acquire(1000)), begin(slots.acquire(1))
    assert await settled(large, small) == [False, False]
    slots.release(100)
    assert await settled(large, small) == [True, False]
    slots.release(1000)
    assert await settled(large, small) == [True, True]


async def test_of_two_larger_parts_that_wait_none_has_half_of_what_the_other_one_wants() -> None:
    slots = Slots(2, size=100)
    await slots.acquire(200)
    first, second = begin(slots.acquire(200)), begin(slots.acquire(200))
    assert await settled(first, second) == [False, False]
    slots.release(200)
    assert await settled(first, second) == [True, False]
    slots.release(200)
    assert await settled(first, second) == [True, True]


async def test_who_is_cancelled_while_he_waits_gives_back_what_he_had_and_lets_the_next_one_in() -> None:
    slots = Slots(3, size=100)
    await slots.acquire(100)
    large, small = begin(slots.acquire(300)), begin(slots.acquire(200))
    assert await settled(large, small) == [False, False]
    large.cancel()
    assert await settled(large, small) == [True, True]
    assert large.cancelled()
    slots.release(200)
    slots.release(100)
    all_of_them, one_more = begin(slots.acquire(300)), begin(slots.acquire(1))
    assert await settled(all_of_them, one_more) == [True, False]
    slots.release(300)
    await one_more
