from __future__ import annotations

import asyncio
from time import monotonic

from shared.restore.breath import Breath


async def test_work_that_waits_for_nothing_lets_others_have_their_turn() -> None:
    breath, other, until = Breath(), asyncio.create_task(asyncio.sleep(0)), monotonic() + 5
    while not other.done() and monotonic() < until:
        await breath.take()
    assert other.done()


async def test_short_work_is_not_interrupted() -> None:
    breath, other = Breath(), asyncio.create_task(asyncio.sleep(0))
    await breath.take()
    assert not other.done()
    await other
