"""The relay publishes events after their transactions: at least once, those of one job in order.

The leader of all services relays, on the session that makes it the leader: it reads and records there only,
so that a relay that has lost its session, and with it the leadership, writes nothing more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

import structlog

from shared.broker.base import Broker, MessageRefused, MessageTooLarge
from shared.database.leadership import BEAT, TERM, Beat
from shared.database.notifications import comes, woken
from shared.database.outages import DATABASE_ERRORS
from shared.database.pool import Connection
from shared.errors import BrokerError
from shared.events import store
from shared.events.cloud_events import cloud_event, to_message
from shared.events.models import Event
from shared.logs import describe

TOPIC = "events"

_AT_ONCE = 100
_PATIENCE = timedelta(seconds=20)
"""How long events wait for a full queue of another system."""
_PARTING = timedelta(seconds=1)
_log = structlog.get_logger()


class Relay:
    """Relays events until it is cancelled. ``source`` is the URL by which users reach the service.

    An event is published a few milliseconds after its commit: its transaction notifies the leader. Memory: a
    hundred events. What is published is recorded when the next events are read, after two seconds at most: if
    the leader is lost before, these are published twice, as after any failure. Where the broker is away,
    events wait, and it is asked again every ``retry``, two seconds at most.

    A full queue that refuses events holds up the other queues for ``patience`` once. After that it does not
    get the events that it refuses, until it accepts one again.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        source: str,
        retry: timedelta = BEAT,
        patience: timedelta = _PATIENCE,
    ) -> None:
        self._broker = broker
        self._source = source
        self._retry = min(retry, BEAT)
        self._patience = patience.total_seconds()
        self._refused_since: float | None = None
        self._has_topic = False
        self._published: Sequence[Event] = ()

    async def run(self, session: Connection) -> None:
        """Relay on the session of the leader, and beat there. Raises the error of a session that is lost."""
        beat, self._published = Beat(session), []
        async with woken(session, store.CHANNEL) as news:
            try:
                while True:
                    await beat.send_if_due()
                    if await self._relay(session, beat, news):
                        await comes(news, within=BEAT)
                    else:
                        await asyncio.sleep(self._retry.total_seconds())
            finally:
                await self._record(session)

    async def _relay(self, session: Connection, beat: Beat, news: asyncio.Event) -> bool:
        """Publish all events that are not yet published; tell whether the broker took them."""
        try:
            if not self._has_topic:
                await self._broker.open_topic(TOPIC)
                self._has_topic = True
            while True:
                news.clear()
                events = await store.list_unpublished(session, but=self._published, limit=_AT_ONCE)
                self._published = await self._publish(events)
                if len(self._published) == len(events) < _AT_ONCE:
                    return True
                await beat.send_if_due()
        except (BrokerError, TimeoutError) as error:
            _log.warning("relay_failed", error=describe(error))
            return False

    async def _record(self, session: Connection) -> None:
        """Record what is published before another leads, if the session can still do that."""
        with suppress(*DATABASE_ERRORS):
            async with asyncio.timeout(_PARTING.total_seconds()):
                await store.list_unpublished(session, but=self._published, limit=0)

    async def _publish(self, events: Sequence[Event]) -> list[Event]:
        """Publish events in their order, and return those that were. Raises BrokerError if none was."""
        sent: list[Event] = []
        try:
            async with asyncio.timeout(TERM.total_seconds() / 2):  # the session must not be silent for longer
                for event in events:
                    await self._emit(event)
                    sent.append(event)
        except (BrokerError, TimeoutError):
            if not sent:
                raise
        return sent

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
