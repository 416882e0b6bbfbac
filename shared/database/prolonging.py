"""Writes that are repeated for as long as something lasts: who stops writing is believed to be gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog

from shared.beside import beside
from shared.database.outages import DATABASE_ERRORS
from shared.logs import describe

_log = structlog.get_logger()


@asynccontextmanager
async def repeated(
    write: Callable[[], Awaitable[object]], *, every: timedelta, failure: str, **what: object
) -> AsyncIterator[None]:
    """Repeat a write each ``every`` while the block runs, the first time after that.

    A database that fails costs that write alone: the log has it by the name ``failure``, with ``what``.
    """
    async with beside(_repeat(write, every=every, failure=failure, what=what)):
        yield


async def _repeat(
    write: Callable[[], Awaitable[object]], *, every: timedelta, failure: str, what: dict[str, object]
) -> None:
    while True:
        await asyncio.sleep(every.total_seconds())
        await attempted(write, failure=failure, **what)


async def attempted(write: Callable[[], Awaitable[object]], *, failure: str, **what: object) -> None:
    """Write once; a database that fails is logged by the name ``failure``, with ``what``."""
    try:
        await write()
    except DATABASE_ERRORS as error:
        _log.warning(failure, error=describe(error), **what)
