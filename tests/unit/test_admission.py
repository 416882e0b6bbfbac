from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from shared import admission
from shared.admission import (
    Holder,
    PlaceLimits,
    PlaceRules,
    Places,
    PlacesTaken,
    RefusalReason,
    ShareUsed,
    end_after,
)
from shared.errors import CrossdockError, TimedOut

ANN, BEN, EVE = (Holder.of_user(number) for number in range(3))
LIMITS = PlaceRules().limits("uploads", 32)
SMALL = replace(LIMITS, total=2, share=1)
NOW = timedelta(0)


async def _come(places: Places, holder: Holder, count: int = 1) -> list[asyncio.Task[None]]:
    """Let so many ask for a place, and come as far as they can."""
    asking = [asyncio.create_task(places.take(holder)) for _ in range(count)]
    await asyncio.sleep(0)  # one turn of the loop is as far as they can come
    return asking


async def _end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize(
    ("total", "share", "kept_free", "strangers"),
    [(32, 8, 3, 16), (200, 50, 20, 100), (4, 1, 1, 2), (1, 1, 1, 1)],
)
def test_a_holder_has_a_quarter_newcomers_a_tenth_and_strangers_half(
    total: int, share: int, kept_free: int, strangers: int
) -> None:
    limits = PlaceRules().limits("uploads", total)
    assert (limits.share, limits.kept_free, limits.for_strangers) == (share, kept_free, strangers)


async def test_a_free_place_is_granted_without_a_switch_to_another_task() -> None:
    places = Places(LIMITS)
    other = asyncio.create_task(asyncio.sleep(0))

    async with places.hold(ANN):
        assert not other.done()
        assert (places.used, places.waiting) == (1, 0)
    assert places.used == 0
    await other


async def test_a_holder_gets_its_share_and_others_the_rest() -> None:
    places = Places(LIMITS)
    asking = await _come(places, ANN, 300)
    assert (places.used, places.waiting, places.most_held) == (8, LIMITS.waiting_each, 8)
    for number in range(100, 120):
        await asyncio.wait_for(places.take(Holder.of_user(number)), 10)
    assert places.held_by(ANN) == 8
    await _end(*asking)


async def test_the_last_tenth_is_for_those_who_hold_none() -> None:
    places = Places(replace(LIMITS, total=10, share=10, patience=NOW))
    for _ in range(9):
        await places.take(ANN)
    with pytest.raises(PlacesTaken):
        await places.take(ANN)
    await places.take(BEN)


async def test_strangers_together_hold_half_and_users_the_other() -> None:
    places = Places(replace(LIMITS, patience=NOW))
    for number in range(16):
        await places.take(Holder.of_address(f"192.0.2.{number}"))
    with pytest.raises(PlacesTaken):
        await places.take(Holder.of_address("192.0.2.99"))
    for number in range(16):
        await places.take(Holder.of_user(number))


async def test_strangers_together_fill_half_of_the_queue() -> None:
    places = Places(replace(LIMITS, total=2, share=1, waiting=4))
    await places.take(Holder.of_address("192.0.2.1"))
    waiting = [(await _come(places, Holder.of_address(f"192.0.2.{number}")))[0] for number in range(2, 4)]
    with pytest.raises(PlacesTaken):
        await places.take(Holder.of_address("192.0.2.99"))
    await places.take(ANN)
    waiting += await _come(places, BEN)
    assert places.waiting == 3
    await _end(*waiting)


@pytest.mark.parametrize(
    ("held", "error", "reason"),
    [([ANN], ShareUsed, RefusalReason.SHARE), ([BEN, EVE], PlacesTaken, RefusalReason.FULL)],
)
async def test_who_is_refused_is_told_whose_places_are_used_up(
    held: list[Holder], error: type[CrossdockError], reason: RefusalReason
) -> None:
    places = Places(replace(SMALL, patience=NOW))
    for holder in held:
        await places.take(holder)
    with pytest.raises(error, match="uploads"):
        await places.take(ANN)
    assert places.use.refused == {reason: 1}


async def test_a_full_queue_refuses_at_once_that_of_a_holder_and_that_of_all() -> None:
    places = Places(replace(SMALL, waiting=3, waiting_each=2))
    await places.take(ANN)
    await places.take(BEN)
    waiting = await _come(places, ANN, 2) + await _come(places, EVE)
    with pytest.raises(ShareUsed):
        await places.take(ANN)
    with pytest.raises(PlacesTaken):
        await places.take(EVE)
    assert places.waiting == 3
    await _end(*waiting)


async def test_nobody_waits_longer_than_is_said() -> None:
    places = Places(replace(SMALL, patience=timedelta(milliseconds=1)))
    await places.take(ANN)
    with pytest.raises(ShareUsed):
        await places.take(ANN)
    assert (places.waiting, places.use.waits) == (0, 1)
    assert places.use.seconds_waited > 0


async def test_the_next_is_who_holds_fewest() -> None:
    places = Places(replace(LIMITS, total=7, share=3))
    for holder in (ANN, ANN, BEN, EVE, EVE, EVE, Holder.of_user(9)):
        await places.take(holder)
    (ann,), (ben,) = await _come(places, ANN), await _come(places, BEN)
    places.release(EVE)
    await asyncio.sleep(0)
    assert (ann.done(), ben.done()) == (False, False)  # the last place is for who holds none
    places.release(EVE)
    await asyncio.sleep(0)
    assert (ann.done(), ben.done()) == (False, True)
    await _end(ann)


async def test_who_was_served_longest_ago_is_next_among_equals() -> None:
    places = Places(replace(LIMITS, total=1, share=1))
    order: list[Holder] = []

    async def use(holder: Holder) -> None:
        async with places.hold(holder):
            order.append(holder)

    await places.take(ANN)
    await asyncio.gather(*(use(holder) for holder in (ANN, ANN, BEN, EVE)), _release_later(places, ANN))
    assert order == [BEN, EVE, ANN, ANN]


async def _release_later(places: Places, holder: Holder) -> None:
    places.release(holder)


@pytest.mark.parametrize("granted_first", [True, False])
async def test_a_place_granted_to_who_is_cancelled_in_the_same_turn_is_handed_on(
    *, granted_first: bool
) -> None:
    places = Places(SMALL)
    await places.take(ANN)
    first, second = await _come(places, ANN, 2)
    if granted_first:
        places.release(ANN)
        first.cancel()
    else:
        first.cancel()
        places.release(ANN)
    with suppress(asyncio.CancelledError):
        await first
    await asyncio.wait_for(second, 10)
    assert places.held_by(ANN) == 1


async def test_a_place_granted_to_who_times_out_in_the_same_turn_is_handed_on() -> None:
    places = Places(replace(SMALL, patience=timedelta(microseconds=1)))
    await places.take(ANN)
    (late,) = await _come(places, ANN)
    asyncio.get_running_loop().call_soon(places.release, ANN)  # runs in the turn of the time-out, before it
    with pytest.raises(PlacesTaken):
        await late
    assert (places.used, places.waiting) == (0, 0)


@pytest.mark.parametrize("seed", range(60))
async def test_no_place_leaks_whoever_is_cancelled_whenever(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  # no secret
    rules = PlaceLimits(
        name="uploads", total=chance.randint(1, 6), share=chance.randint(1, 4), waiting=12, waiting_each=4,
        patience=timedelta(milliseconds=chance.choice([1, 20, 1000])),
    )  # fmt: skip
    places, inside = Places(rules), Counter[Holder]()

    async def use(holder: Holder) -> None:
        for _ in range(chance.randint(0, 3)):
            await asyncio.sleep(0)
        async with places.hold(holder):
            inside[holder] += 1
            try:
                assert inside.total() <= places.used <= rules.total  # who is granted one has to wake up
                assert inside[holder] <= rules.share
                for _ in range(chance.randint(0, 4)):
                    await asyncio.sleep(0)
            finally:
                inside[holder] -= 1

    holders = [Holder.of_user(1), Holder.of_user(2), Holder.of_address("a"), Holder.of_address("b")]
    tasks = [asyncio.create_task(use(chance.choice(holders))) for _ in range(60)]
    while unfinished := [task for task in tasks if not task.done()]:
        await asyncio.sleep(0)
        if chance.random() < 0.6:
            chance.choice(unfinished).cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)

    assert {type(end) for end in ends} <= {type(None), asyncio.CancelledError, ShareUsed, PlacesTaken}
    assert (places.used, places.waiting, places.most_held) == (0, 0, 0)


async def test_memory_of_who_was_served_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "REMEMBERED", 3)
    places = Places(SMALL)
    for number in range(100):
        async with places.hold(Holder.of_user(number)):
            pass
    assert len(places._served) == 5


async def test_what_takes_too_long_is_cancelled_with_its_error() -> None:
    with pytest.raises(TimedOut):
        async with end_after(NOW, TimedOut("it took too long")):
            await asyncio.Event().wait()
    with pytest.raises(TimeoutError):
        async with end_after(timedelta(minutes=1), TimedOut("it took too long")):
            raise TimeoutError
