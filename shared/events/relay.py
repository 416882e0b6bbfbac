"""Publishes events after their transactions: at least once, those of one job in order.

Every service offers to do it and one does, for as long as it lives: whose session holds the lock. It reads
and notes on that session alone, so that who has lost the session has lost the lock and writes nothing more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta

import structlog

from shared.broker.base import Broker, MessageRefused, MessageTooLarge
from shared.database.outages import DATABASE_ERRORS
from shared.database.pool import Connection
from shared.errors import BrokerError
from shared.events import store
from shared.events.cloud_events import cloud_event, to_message
from shared.events.models import Event

TOPIC = "events"

_LOCK = 0x6576656E7473
_AT_ONCE = 100
_TICK = timedelta(seconds=2)
"""How often a leader looks without being woken."""
_TERM = timedelta(seconds=10)
"""A leader that is silent for so long, as it may be frozen or cut off, is none any more."""
_PATIENCE = timedelta(seconds=20)
"""How long events wait for a queue of somebody's that is full."""
_log = structlog.get_logger()

Connect = Callable[[], AbstractAsyncContextManager[Connection]]
"""Opens a session that nobody else uses."""


class Relay:
    """Relays until it is cancelled. ``source`` is the URL that users reach the service by.

    An event is out a few milliseconds after its commit: its transaction wakes the leader. Where a leader is
    lost, another follows within ``retry``. Memory: a hundred events. A leader that was frozen may give out
    one more event of its hundred than the next leader knows of: an event twice, as after any failure.

    A queue that is full, and refuses, holds up the others for ``patience`` once; what it refuses after that
    it does not get, until it takes something again.
    """

    def __init__(
        self,
        connect: Connect,
        broker: Broker,
        *,
        source: str,
        retry: timedelta = timedelta(seconds=5),
        patience: timedelta = _PATIENCE,
    ) -> None:
        self._connect = connect
        self._broker = broker
        self._source = source
        self._retry = retry
        self._patience = patience.total_seconds()
        self._refused_since: float | None = None

    async def run(self) -> None:
        """Lead whenever nobody else does; what fails is logged and tried again."""
        while True:
            try:
                async with self._connect() as session:
                    if await self._leads(session):
                        await self._lead(session)
            except (BrokerError, *DATABASE_ERRORS) as error:
                _log.warning("relay_failed", error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(self._retry.total_seconds())

    async def _leads(self, session: Connection) -> bool:
        await session.execute(f"SET idle_session_timeout = {_TERM // timedelta(milliseconds=1)}")
        return bool(await session.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK))

    async def _lead(self, session: Connection) -> None:
        await self._broker.open_topic(TOPIC)
        async with _woken(session) as news:
            while True:
                news.clear()
                while await self.relay(session):
                    pass
                await _any(news)

    async def relay(self, session: Connection) -> int:
        """Publish what is there, a hundred events at most, and give how many. Raises BrokerError."""
        sent: list[Event] = []
        failure: BrokerError | TimeoutError | None = None
        try:
            async with asyncio.timeout(_TERM.total_seconds() / 2):  # the session has to be heard of
                for event in await store.unpublished(session, limit=_AT_ONCE):
                    await self._emit(event)
                    sent.append(event)
        except (BrokerError, TimeoutError) as error:
            failure = error
        if sent:
            await store.mark_published(session, sent)
        elif failure:
            raise failure
        return len(sent)

    async def _emit(self, event: Event) -> None:
        message = to_message(cloud_event(event, source=self._source), correlation_id=event.correlation_id)
        try:
            await self._broker.emit(TOPIC, message, key=event.name)
        except MessageTooLarge as error:  # it will not become smaller, and others wait behind it
            _log.error("event_too_large", event_id=event.id, name=event.name, error=str(error))
        except MessageRefused:
            now = asyncio.get_running_loop().time()
            self._refused_since = self._refused_since or now
            if now < self._refused_since + self._patience:
                raise
            _log.warning("event_refused", event_id=event.id, name=event.name)
        else:
            self._refused_since = None


@asynccontextmanager
async def _woken(session: Connection) -> AsyncIterator[asyncio.Event]:
    """Give what is set whenever an event was committed, or the session is lost."""
    news = asyncio.Event()

    def wake(*_: object) -> None:
        news.set()

    await session.add_listener(store.CHANNEL, wake)
    session.add_termination_listener(wake)
    try:
        yield news
    finally:
        session.remove_termination_listener(wake)
        if not session.is_closed():
            await session.remove_listener(store.CHANNEL, wake)


async def _any(news: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(_TICK.total_seconds()):
            await news.wait()
    except TimeoutError:
        pass
