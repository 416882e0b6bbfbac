"""Sends due deliveries to webhooks: at least once, the events of one job in order.

The leader of all services sends; during an update, services of the version before send as well. A delivery
that fails is sent again, ten times in all within 16 hours; a webhook that has accepted nothing in all that
time is disabled. A test is sent once.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec
import structlog

from shared.admission import Holder, PlaceRules, Places
from shared.database.notifications import comes
from shared.database.outages import DATABASE_ERRORS
from shared.database.pool import Pool
from shared.errors import CrossdockError
from shared.events.cloud_events import STRUCTURED, cloud_event, to_json_object
from shared.logs import describe
from shared.remote.client import RemoteAnswer, RemoteClient
from shared.remote.errors import Unanswered
from shared.sealing.sealer import Sealer
from shared.webhooks import delivery_queue, signing, store
from shared.webhooks.delivery_queue import Turn
from shared.webhooks.metrics import DeliveryEnd, WebhookMetrics
from shared.webhooks.models import Attempt, Webhook, WebhookDelivery
from shared.webhooks.sealed_webhooks import WebhookSealer
from shared.webhooks.trial import is_test

SCHEDULE = tuple(
    timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 3600, 2 * 3600, 4 * 3600, 8 * 3600)
)
"""The pause after each attempt except the last; each is up to a fifth longer."""

_DEADLINE = timedelta(seconds=20)
"""The deadline of one request, from the look-up of its name to its answer."""
_EVERY = timedelta(seconds=1)
_IDLE = timedelta(seconds=30)
_AT_ONCE = 16
_MOST_IN_A_TURN = 50
_LONGEST_WISH = timedelta(hours=1)
_JITTER = 0.2
_OK = range(200, 300)
_GONE = 410
_WISHING = frozenset({429, 503})
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingPace:
    """How often to look for due deliveries, how long one request may take, and when to send again.

    ``every`` is for while there are deliveries that wait, ``idle`` for while there are none: the sender is
    told of new ones.
    """

    every: timedelta = _EVERY
    idle: timedelta = _IDLE
    deadline: timedelta = _DEADLINE
    schedule: Sequence[timedelta] = field(default=SCHEDULE)


class WebhookSender:
    """Sends until it is cancelled, to as many webhooks at once as there are places.

    Each owner has its share of the places, and all slow webhooks together have one. ``connect`` gives a
    client by the current policy; ``source`` is the URL by which users reach the service. Memory: one event
    for each place.
    """

    def __init__(
        self,
        pool: Pool,
        connect: Callable[[], Awaitable[RemoteClient]],
        *,
        sealer: Sealer,
        source: str,
        places: Places | None = None,
        metrics: WebhookMetrics | None = None,
        pace: SendingPace | None = None,
    ) -> None:
        self._pool = pool
        self._connect = connect
        self._sealer = WebhookSealer(sealer)
        self._source = source
        self._metrics = metrics or WebhookMetrics()
        self._pace = pace or SendingPace()
        self.places = places or Places(PlaceRules().limits("webhook_senders", _AT_ONCE))
        self._sends_to_slow = False
        self._news = asyncio.Event()

    async def run(self, news: asyncio.Event | None = None) -> None:
        """Take turn after turn. A failure is logged; after a minute any sender may take that turn.

        ``news`` is set where there may be something to send.
        """
        self._news = news or asyncio.Event()
        async with asyncio.TaskGroup() as turns:
            while True:
                self._news.clear()
                turn = await self._claim()
                if turn is None:
                    await comes(self._news, within=await self._pause_without_news())
                else:
                    await self._begin(turn)
                    task = turns.create_task(self._take(turn))
                    task.add_done_callback(partial(self._end, turn))

    async def _pause_without_news(self) -> timedelta:
        try:
            waits = await delivery_queue.has_pending(self._pool)
        except DATABASE_ERRORS:
            waits = True
        return self._pace.every if waits else self._pace.idle

    async def _begin(self, turn: Turn) -> None:
        await self.places.take(Holder(turn.owner))  # it is free, as only this task takes places
        self._sends_to_slow |= turn.is_slow

    def _end(self, turn: Turn, _task: asyncio.Task[None]) -> None:
        self.places.release(Holder(turn.owner))
        if turn.is_slow:
            self._sends_to_slow = False
        self._news.set()

    async def _claim(self) -> Turn | None:
        """Take a turn for which there is a place; None where there is none, or no place."""
        if self.places.used >= self.places.limits.total:
            return None
        closed = [holder.key for holder in self.places.closed_to()]
        try:
            return await delivery_queue.claim(self._pool, but_of=closed, slow=not self._sends_to_slow)
        except DATABASE_ERRORS as error:
            _log.warning("webhooks_unavailable", error=describe(error))
            return None

    async def _take(self, turn: Turn) -> None:
        try:
            await self._send_due(turn)
        except DATABASE_ERRORS as error:
            _log.warning("webhooks_unavailable", error=describe(error))
        finally:
            await asyncio.shield(self._release(turn))

    async def _release(self, turn: Turn) -> None:
        try:
            await delivery_queue.release(self._pool, turn)
        except DATABASE_ERRORS as error:
            _log.warning("webhook_not_released", webhook_id=turn.webhook_id, error=describe(error))

    async def _send_due(self, turn: Turn) -> None:
        """Send until nothing is due, a delivery fails, or the turn has had its share."""
        for _ in range(_MOST_IN_A_TURN):
            webhook = await delivery_queue.hold(self._pool, turn)
            delivery = None if webhook is None else await delivery_queue.find_due(self._pool, webhook.id)
            if webhook is None or delivery is None or not await self._deliver(webhook, delivery):
                return

    async def _deliver(self, webhook: Webhook, delivery: WebhookDelivery) -> bool:
        attempt, answer = await self._attempt(webhook, delivery)
        if attempt.error is None:
            await delivery_queue.record_delivered(self._pool, delivery, attempt)
            self._metrics.count_attempt(DeliveryEnd.DELIVERED)
            return True
        pause = self._pause(delivery, answer)
        is_last = pause is None
        await delivery_queue.record_refused(self._pool, delivery, attempt, again_in=pause)
        self._metrics.count_attempt(DeliveryEnd.FAILED if is_last else DeliveryEnd.RETRIED)
        _log.warning(
            "webhook_refused",
            webhook_id=webhook.id,
            delivery_id=delivery.id,
            error=attempt.error,
            last=is_last,
        )
        if reason := _reason_to_disable(webhook, delivery, attempt, is_last=is_last):
            await store.disable(self._pool, webhook.id, reason)
            _log.warning("webhook_disabled", webhook_id=webhook.id, reason=reason)
        return False

    async def _attempt(
        self, webhook: Webhook, delivery: WebhookDelivery
    ) -> tuple[Attempt, RemoteAnswer | None]:
        client = await self._connect()  # asks the database, whose time-out is not the receiver's
        at, clock = datetime.now(UTC), time.monotonic()
        status, error, answer, timed_out = None, None, None, False
        try:
            async with asyncio.timeout(self._pace.deadline.total_seconds()):
                answer = await self._send(client, webhook, delivery)
            status = answer.status
            error = None if status in _OK else f"it answered {status}"
        except TimeoutError:
            error = f"it did not answer within {self._pace.deadline.total_seconds():g} seconds"
            timed_out = True
        except CrossdockError as failure:
            status, error = getattr(failure, "status", None), str(failure)
            timed_out = isinstance(failure, Unanswered)
        seconds = round(time.monotonic() - clock, 3)
        return Attempt(at=at, status=status, seconds=seconds, error=error, timed_out=timed_out), answer

    async def _send(self, client: RemoteClient, webhook: Webhook, delivery: WebhookDelivery) -> RemoteAnswer:
        target = self._sealer.open(webhook)
        event = cloud_event(delivery.event, source=self._source)
        body = msgspec.json.encode(to_json_object(event))
        headers = {
            "Content-Type": STRUCTURED,
            **signing.signature_headers(
                body, message_id=event.id, timestamp=int(time.time()), keys=target.secrets
            ),
        }
        if delivery.event.traceparent:
            headers["traceparent"] = delivery.event.traceparent
        return await client.send("POST", target.url, headers=headers, body=_whole(body), length=len(body))

    def _pause(self, delivery: WebhookDelivery, answer: RemoteAnswer | None) -> timedelta | None:
        if is_test(delivery) or delivery.tries >= len(self._pace.schedule):
            return None
        pause = self._pace.schedule[delivery.tries] * (1 + random.uniform(0, _JITTER))  # noqa: S311  # no secret
        return max(pause, _wish(answer))


async def _whole(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _wish(answer: RemoteAnswer | None) -> timedelta:
    """Read ``Retry-After`` in seconds; an hour at most."""
    given = answer.headers.get("Retry-After", "") if answer and answer.status in _WISHING else ""
    seconds = int(given) if given.isascii() and given.isdecimal() and len(given) < len("99999") else 0
    return min(timedelta(seconds=seconds), _LONGEST_WISH)


def _reason_to_disable(
    webhook: Webhook, delivery: WebhookDelivery, attempt: Attempt, *, is_last: bool
) -> str | None:
    """Give one where it is gone, or nothing at all was taken while this delivery was tried in vain."""
    if attempt.status == _GONE:
        return "it answered 410 Gone"
    counted = delivery.attempts[-delivery.tries :] if delivery.tries else ()
    since = webhook.failing_since
    if is_last and since is not None and len(counted) > 1 and since <= counted[1].at:
        return f"it has taken nothing since {since:%Y-%m-%dT%H:%M:%SZ}"
    return None
