"""The relay publishes events after their transactions: at least once, those of one job in order.

Every service offers to relay, and one does, for as long as it lives: the one whose session holds the lock. It
reads and records on that session only, so that a relay that has lost its session, and with it the lock,
writes nothing more.
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
"""How often a leader looks for events without being notified."""
_TERM = timedelta(seconds=10)
"""A leader that is silent for so long may be frozen or cut off: the server ends its session, and its lock."""
_PATIENCE = timedelta(seconds=20)
"""How long events wait for a full queue of another system."""
_log = structlog.get_logger()

SessionFactory = Callable[[], AbstractAsyncContextManager[Connection]]
"""Opens a session that has no other user."""


class Relay:
    """Relays events until it is cancelled. ``source`` is the URL by which users reach the service.

    An event is published a few milliseconds after its commit: its transaction notifies the leader. Where a
    leader is lost, another follows within ``retry``. Memory: a hundred events. A leader that was frozen may
    publish one more event of its hundred than the next leader knows of: that event is published twice, as
    after any failure.

    A full queue that refuses events holds up the other queues for ``patience`` once. After that it does not
    get the events that it refuses, until it accepts one again.
    """

    def __init__(
        self,
        connect: SessionFactory,
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
        """Lead whenever no other service does; a failure is logged, and tried again."""
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
        """Publish unpublished events, at most a hundred, and give how many. Raises BrokerError."""
        sent: list[Event] = []
        failure: BrokerError | TimeoutError | None = None
        try:
            async with asyncio.timeout(
                _TERM.total_seconds() / 2
            ):  # the session must not be silent for longer
                for event in await store.list_unpublished(session, limit=_AT_ONCE):
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
        except MessageTooLarge as error:  # no retry helps, and later events wait for it
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
    """Give an asyncio.Event that is set whenever an event was committed, or the session is lost."""
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
