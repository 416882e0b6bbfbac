"""Shields work that a cancellation must not interrupt halfway."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Data = TypeVar("Data", bytes, bytes | memoryview)

INLINE = 256 * 1024
"""Bytes that one step may work through on the event loop, in about 0.2 ms; a thread costs half of that."""


async def to_the_end(work: Awaitable[T]) -> T:
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


async def on_thread(step: Callable[[*Ts], T], *args: *Ts) -> T:
    """Run a step of bounded length on a thread.

    A caller that is cancelled meanwhile goes only after the step has ended, so that nothing works on what it
    drops then.
    """
    return await to_the_end(asyncio.get_running_loop().run_in_executor(None, step, *args))


async def work_through(data: Data, step: Callable[[Data], T]) -> T:
    """Run a step on ``data``, on a thread where that is so long that it would hold up the event loop."""
    return step(data) if len(data) <= INLINE else await on_thread(step, data)
