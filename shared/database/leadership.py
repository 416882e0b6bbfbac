"""Leadership: of all processes that offer themselves one leads, for as long as its session lives.

Its session holds an advisory lock, and it tells the others regularly that it is there. They listen, and ask
for the lock only where they have heard nothing for a while, so that they cost nothing however many they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

import structlog

from shared.database.notifications import comes, woken
from shared.database.outages import DATABASE_ERRORS
from shared.database.pool import Connection
from shared.logs import describe

BEAT = timedelta(seconds=2)
"""How often a leader tells the others that it is there."""

TERM = timedelta(seconds=10)
"""A leader that is silent for so long may be frozen or cut off: the server ends its session, and its lock."""

_PATIENCE = timedelta(seconds=5)
_CHANNEL = "crossdock_leader"
_LOCK = 0x6576656E7473
"""The lock of the relays of events of versions before: they must not relay beside a leader."""

# One statement: the session must not have the lock without the time-out for a moment.
_LEAD = f"""SELECT CASE WHEN pg_try_advisory_lock({_LOCK})
    THEN set_config('idle_session_timeout', $1, false) END IS NOT NULL"""
_log = structlog.get_logger()

SessionFactory = Callable[[], AbstractAsyncContextManager[Connection]]
"""Opens a session that has no other user."""

Lead = Callable[[Connection], Awaitable[object]]
"""Does what one process at a time does. It beats on the session, and ends where that is lost."""


class Leadership:
    """Offers this process as the leader.

    Where the leader is lost, another process follows within ``patience``. Where the session of this one
    fails, it is opened again after ``retry``.
    """

    def __init__(
        self,
        connect: SessionFactory,
        *,
        patience: timedelta = _PATIENCE,
        retry: timedelta = _PATIENCE,
        term: timedelta = TERM,
    ) -> None:
        self._connect = connect
        self._patience = patience
        self._retry = retry
        self._term = term

    async def run(self, lead: Lead) -> None:
        """Wait for the leadership and lead, until cancelled; a failure is logged, and all begins again."""
        while True:
            # In a task of its own: whether this one is cancelled cannot be seen by one whose session is lost,
            # and a TaskGroup before Python 3.13 leaves its task marked as cancelled where a task in it fails.
            attempt = asyncio.create_task(self._attempt(lead))
            try:
                await asyncio.wait([attempt])
            finally:
                attempt.cancel()
                await asyncio.wait([attempt])
            if not attempt.cancelled():
                attempt.result()
            await asyncio.sleep(self._retry.total_seconds())

    async def _attempt(self, lead: Lead) -> None:
        try:
            async with self._connect() as session:
                await self._wait(session)
                await lead(session)
        except* DATABASE_ERRORS as errors:
            _log.warning("leadership_failed", errors=[describe(each) for each in errors.exceptions])

    async def _wait(self, session: Connection) -> None:
        """Wait until this session leads: ask at first, and whenever the leader is silent."""
        async with woken(session, _CHANNEL) as beats:
            while not await session.fetchval(_LEAD, str(self._term // timedelta(milliseconds=1))):
                while await comes(beats, within=self._patience) and not session.is_closed():
                    beats.clear()


class Beat:
    """The sign of life of the leader on its session."""

    def __init__(self, session: Connection) -> None:
        self._session = session
        self._due = 0.0

    async def send_if_due(self) -> None:
        """Tell the others that the leader is there, unless it did within the last two seconds."""
        now = asyncio.get_running_loop().time()
        if now >= self._due:
            await self._session.execute(f"NOTIFY {_CHANNEL}")
            self._due = now + BEAT.total_seconds()
