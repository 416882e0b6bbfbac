from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from shared.pieces import gathered, read_ahead


class Source:
    """Numbers up to ``count``, of which the next one fails where it is ``bad``."""

    def __init__(self, count: int, *, bad: int | None = None) -> None:
        self._count = count
        self._bad = bad
        self.made = 0
        self.closed = False

    async def items(self) -> AsyncGenerator[int, None]:
        try:
            for number in range(self._count):
                if number == self._bad:
                    raise ValueError(number)
                self.made += 1
                yield number
        finally:
            self.closed = True


async def _turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_items_come_in_order_and_one_of_them_is_made_ahead() -> None:
    source, seen = Source(5), []
    async for item in read_ahead(source.items()):
        await _turns()
        seen.append((item, source.made))
    assert seen == [(0, 2), (1, 3), (2, 4), (3, 5), (4, 5)]


async def test_an_error_comes_after_the_items_before_it() -> None:
    ahead, seen = read_ahead(Source(5, bad=3).items()), []
    for _ in range(3):
        seen.append(await anext(ahead))
        await _turns()
    with pytest.raises(ValueError, match="3"):
        await anext(ahead)
    assert seen == [0, 1, 2]


async def test_what_is_left_early_makes_no_more_and_leaves_no_task() -> None:
    source = Source(5)
    async with aclosing(source.items()) as items, aclosing(read_ahead(items)) as ahead:
        assert await anext(ahead) == 0
    await _turns()
    assert source.made <= 2
    assert source.closed
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_who_is_cancelled_while_it_waits_ends_the_step_on_its_way() -> None:
    stopped = asyncio.Event()

    async def endless() -> AsyncGenerator[int, None]:
        try:
            await asyncio.Event().wait()
            yield 1
        finally:
            stopped.set()

    async def read() -> None:
        async for _ in read_ahead(endless()):
            pass

    task = asyncio.create_task(read())
    await _turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stopped.is_set()


async def test_reading_ahead_ends_its_source_when_it_is_left() -> None:
    ended = asyncio.Event()

    async def source() -> AsyncGenerator[int, None]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with aclosing(read_ahead(source())) as items:
        assert await anext(items) == 1
    assert ended.is_set()


async def test_pieces_are_joined_until_there_are_enough_bytes() -> None:
    async def pieces() -> AsyncGenerator[bytes, None]:
        for piece in (b"a", b"bc", b"def", b"g"):
            yield piece

    assert [piece async for piece in gathered(pieces(), least=3)] == [b"abc", b"def", b"g"]
