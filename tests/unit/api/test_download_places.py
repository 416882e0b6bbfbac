from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import timedelta

import pytest

from services.api.http.download_places import DownloadPlaces
from services.api.http.places import PlaceNumbers, make_places
from shared.admission import Holder, PlaceRules, PlacesTaken, ShareUsed

NUMBERS = PlaceNumbers(downloads=4, rules=PlaceRules(share=0.5))


@pytest.mark.parametrize("seed", range(30))
async def test_no_place_leaks_whichever_connection_ends_first_or_is_cancelled(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  # no secret
    rules = replace(NUMBERS.rules, patience=timedelta(milliseconds=chance.choice([0, 1, 1000])))
    places = make_places(replace(NUMBERS, rules=rules))
    downloads = DownloadPlaces(places, most=3)
    open_connections = 0

    async def read(holder: Holder, file: str) -> None:
        nonlocal open_connections
        async with downloads.hold(holder, file):
            open_connections += 1
            assert open_connections <= places.downloads.used + places.ranges.used <= 6
            try:
                for _ in range(chance.randint(0, 4)):
                    await asyncio.sleep(0)
            finally:
                open_connections -= 1

    holders = [Holder.of_user(1), Holder.of_user(2)]
    tasks = [asyncio.create_task(read(chance.choice(holders), chance.choice("abc"))) for _ in range(40)]
    while unfinished := [task for task in tasks if not task.done()]:
        await asyncio.sleep(0)
        if chance.random() < 0.5:
            chance.choice(unfinished).cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)

    assert {type(end) for end in ends} <= {type(None), asyncio.CancelledError, ShareUsed, PlacesTaken}
    assert (places.downloads.used, places.ranges.used, downloads._files) == (0, 0, {})
