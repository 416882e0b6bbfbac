"""Housekeeping that every service offers to do and one does at a time: an advisory lock picks the leader."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import structlog
from asyncpg import InterfaceError, PostgresError

from shared.database.pool import Pool
from shared.errors import CrossdockError

Duty = Callable[[], Awaitable[int]]
"""One kind of housekeeping: does a bounded amount of it and gives how much. May be repeated."""

_LOCK = 0x73776565706572
_log = structlog.get_logger()


class Sweeper:
    """Goes round its duties for ever, ``every`` so often."""

    def __init__(self, pool: Pool, duties: Sequence[Duty], *, every: timedelta) -> None:
        self._pool = pool
        self._duties = duties
        self._every = every

    async def run(self) -> None:
        """Sweep until cancelled; what fails is logged and tried again at the next round."""
        while True:
            await self.sweep()
            await asyncio.sleep(self._every.total_seconds())

    async def sweep(self) -> None:
        """Go round once, unless another service is at it."""
        try:
            async with self._pool.acquire() as leader:
                if await leader.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
                    try:
                        await self._go_round()
                    finally:
                        await leader.execute("SELECT pg_advisory_unlock($1)", _LOCK)
        except (OSError, PostgresError, InterfaceError):
            _log.warning("sweep_failed", exc_info=True)

    async def _go_round(self) -> None:
        for duty in self._duties:
            try:
                await duty()
            except CrossdockError:
                _log.warning("duty_failed", duty=getattr(duty, "__name__", str(duty)), exc_info=True)
