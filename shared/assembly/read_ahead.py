"""Reads ahead by one item."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

T = TypeVar("T")


async def read_ahead(source: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """Give the items of ``source``; while the caller uses one, the next one is made, and no more than that.

    Closes ``source``. Raises what it raises, once all items before are given.
    """
    async with aclosing(source):
        waiting = asyncio.create_task(_next(source))
        try:
            while item := await waiting:
                waiting = asyncio.create_task(_next(source))
                yield item[0]
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)


async def _next(source: AsyncGenerator[T, None]) -> tuple[T] | None:
    async for item in source:
        return (item,)
    return None
