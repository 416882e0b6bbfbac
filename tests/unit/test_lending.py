from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import pytest

from shared.lending import lent


async def _two(stepping: asyncio.Event, closed: list[str]) -> AsyncGenerator[bytes, None]:
    try:
        yield b"one"
        stepping.set()
        await asyncio.Event().wait()
    finally:
        closed.append("closed")


async def _read(source: AsyncIterator[bytes], got: list[bytes]) -> None:
    async for piece in source:
        got += [piece]


async def test_a_stream_whose_step_is_on_its_way_in_another_task_is_taken_back_and_closed() -> None:
    stepping, closed, got = asyncio.Event(), list[str](), list[bytes]()
    async with aclosing(_two(stepping, closed)) as source, lent(source) as borrowed:
        reader = asyncio.create_task(_read(borrowed, got))
        await stepping.wait()
    assert (got, closed, reader.cancelled()) == ([b"one"], ["closed"], True)


async def test_a_caller_that_is_cancelled_waits_for_the_step_all_the_same() -> None:
    stepping, closed = asyncio.Event(), list[str]()
    within = asyncio.Event()

    async def call() -> None:
        async with aclosing(_two(stepping, closed)) as source, lent(source) as borrowed:
            asyncio.create_task(_read(borrowed, [])).add_done_callback(lambda _: None)
            within.set()
            await asyncio.Event().wait()

    caller = asyncio.create_task(call())
    await within.wait()
    await stepping.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert closed == ["closed"]


async def test_a_stream_that_was_read_to_its_end_needs_no_waiting() -> None:
    async def one() -> AsyncGenerator[bytes, None]:
        yield b"one"

    got = list[bytes]()
    async with lent(one()) as borrowed:
        await _read(borrowed, got)
    assert got == [b"one"]
