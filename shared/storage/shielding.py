"""Shields work that a cancellation must not interrupt halfway."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def to_the_end(work: Coroutine[object, object, T]) -> T:
    """Await ``work``; where the caller is cancelled meanwhile, raise that only after ``work`` has ended.

    For steps of which a half is worse than either outcome: a thread cannot be stopped, and an upload that has
    begun on the server must be known here. ``work`` has to end by itself.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # retrieved, or asyncio would report that it never was
        raise
