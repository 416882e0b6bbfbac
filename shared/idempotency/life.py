"""The sign of life of a process: a lock that Postgres frees as soon as it sees that the process has died."""

from __future__ import annotations

import asyncio
import secrets
from datetime import timedelta

import structlog

from shared.database.leadership import SessionFactory
from shared.database.notifications import woken
from shared.database.outages import DATABASE_ERRORS
from shared.logs import describe

_CLASS = int.from_bytes(b"keys", "big")
"""The first number of these locks; the second is that of the process. Other locks have one number."""

_AGAIN = timedelta(seconds=5)
_log = structlog.get_logger()


def has_ended(number: str) -> str:
    """Give the SQL condition that no process lives whose sign of life has this number, a column.

    A number that is null is that of no process: nothing is known of it.
    """
    return f"({number} IS NOT NULL AND pg_try_advisory_xact_lock_shared({_CLASS}, {number}))"


class LifeSign:
    """The lock and its ``number``, which is None while there is no session that holds it."""

    def __init__(self) -> None:
        self.number: int | None = None

    async def show(self, connect: SessionFactory) -> None:
        """Hold the lock until cancelled; a session that is lost is opened again, with another number."""
        while True:
            try:
                await self._hold(connect)
            except DATABASE_ERRORS as error:
                _log.warning("life_sign_lost", error=describe(error))
            await asyncio.sleep(_AGAIN.total_seconds())

    async def _hold(self, connect: SessionFactory) -> None:
        async with connect() as session, woken(session) as lost:
            number = secrets.randbelow(2**31)
            await session.execute(f"SELECT pg_advisory_lock({_CLASS}, {number})")
            self.number = number
            try:
                await lost.wait()
            finally:
                self.number = None
