"""Reads ahead: the next item of a stream is made while the last one is used."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TypeVar

T = TypeVar("T")


async def one_ahead(items: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """Give the items, in their order; at most one waits. An error comes after the items before it.

    Left early, it ends the step of ``items`` that is on its way, and leaves it to the caller to close them.
    """
    coming = asyncio.create_task(_next(items))
    try:
        while item := await coming:
            coming = asyncio.create_task(_next(items))
            yield item[0]
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)


async def _next(items: AsyncGenerator[T, None]) -> tuple[T] | None:
    """Give the next item, or None at the end."""
    async for item in items:
        return (item,)
    return None
