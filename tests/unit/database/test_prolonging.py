"""A write that is repeated while something lasts."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from asyncpg import InterfaceError, InternalClientError, PostgresError

from shared.database.prolonging import repeated

OFTEN = timedelta(milliseconds=1)


@pytest.mark.parametrize("error", [OSError, PostgresError, InterfaceError, InternalClientError])
async def test_whatever_a_database_fails_with_the_write_is_repeated(error: type[Exception]) -> None:
    written, again = 0, asyncio.Event()

    async def write() -> None:
        nonlocal written
        written += 1
        if written > 2:
            again.set()
        raise error("down")

    async with repeated(write, every=OFTEN, failure="not_written"):
        await asyncio.wait_for(again.wait(), 10)
    assert asyncio.all_tasks() == {asyncio.current_task()}
