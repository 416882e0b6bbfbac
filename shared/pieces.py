"""Streams of pieces: small ones are joined, and the next one is made while the last one is used."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

T = TypeVar("T")


async def read_ahead(source: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """Give the items of ``source``; while the caller uses one, the next one is made, and no more than that.

    Closes ``source``. Raises what it raises, once all items before are given. Left early, it first ends the
    step of ``source`` that is on its way.
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
    """Give the next item, or None at the end."""
    async for item in source:
        return (item,)
    return None


async def gathered(pieces: AsyncGenerator[bytes, None], *, least: int) -> AsyncGenerator[bytes, None]:
    """Join pieces to ``least`` bytes or more, but for the last ones. Closes ``pieces``."""
    held: list[bytes] = []
    size = 0
    async with aclosing(pieces):
        async for piece in pieces:
            held.append(piece)
            size += len(piece)
            if size >= least:
                yield held[0] if len(held) == 1 else b"".join(held)
                held, size = [], 0
    if held:
        yield b"".join(held)
