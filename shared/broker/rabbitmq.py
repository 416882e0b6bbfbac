"""RabbitMQ: quorum queues with publisher confirms, and a second queue for the dead letters of each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import stamina
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from shared.broker.base import REMOVED_AT_ONCE, DeadLetter, Delivery, Message, check_size
from shared.broker.rabbitmq_headers import REASON_HEADER, dead_since
from shared.broker.rabbitmq_link import Link, close_quietly, parse_url, translate_errors
from shared.errors import BrokerError
from shared.tracing.base import OFF, SpanKind, Tracer

_log = logging.getLogger(__name__)

DEADLINE = timedelta(seconds=30)
"""How long one call may take, connecting included."""

_CHECK_DEADLINE = timedelta(seconds=5)
_BROKERS_REASON_HEADER = "x-first-death-reason"


QueueDeclaration = Callable[[AbstractChannel], Awaitable[None]]


class _Subscription:
    """A channel that consumes; what it delivered is returned when it ends.

    It consumes one message at a time, and only while a task waits for one: a channel that goes on consuming
    gets another message with each acknowledgement, which would lie here while other workers are idle.
    """

    def __init__(self, link: Link, channel: AbstractChannel, *, queue: str, prefetch: int) -> None:
        self.channel = channel
        self._link = link
        self._name = queue
        self._started = self._ended = self._consuming = False
        self._asking = asyncio.Lock()
        self._room = asyncio.Semaphore(prefetch)
        self._arrived: asyncio.Queue[AbstractIncomingMessage | None] = asyncio.Queue()

    async def start(self, declare: QueueDeclaration) -> None:
        await declare(self.channel)
        await self.channel.set_qos(prefetch_count=1)  # of each consumer; un-acked ones of others do not count
        self.channel.close_callbacks.add(self._end)
        (await self.channel.get_underlay_channel()).on_consumer_cancel_callbacks.add(self._end)
        self._queue = await self.channel.get_queue(self._link.name(self._name), ensure=False)
        self._started = True

    def _end(self, *_: object) -> None:
        self._ended = True
        self._arrived.put_nowait(None)
        self._room.release()  # wakes a task that waits for room, so that it sees the end

    @property
    def is_live(self) -> bool:
        return self._started and not (self._ended or self.channel.is_closed)

    async def next(self) -> _Delivery | None:
        """Give the next message, or None once the subscription has ended."""
        async with self._asking:
            if not self._consuming:
                await self._consume()
            incoming = await self._arrived.get()
            if incoming is None:
                self._arrived.put_nowait(None)  # wakes the next waiting task
            if incoming is None or not self.is_live:
                return None
            self._consuming = False
            return _Delivery(self._link, incoming, queue=self._name, subscription=self)

    async def _consume(self) -> None:
        await self._room.acquire()
        self._consuming = True
        try:
            async with translate_errors(f"consume {self._name}", self._link.deadline):
                await self._queue.consume(self._take)
        except BrokerError as error:
            _log.debug("broker_consume_failed", exc_info=error)
            self._end()
        except asyncio.CancelledError:
            self._end()  # it is unknown whether the broker has begun to deliver
            raise

    async def _take(self, incoming: AbstractIncomingMessage) -> None:
        try:
            async with translate_errors(f"stop consuming {self._name}", self._link.deadline):
                await self._queue.cancel(str(incoming.consumer_tag))
        except BrokerError as error:
            _log.debug("broker_cancel_failed", exc_info=error)
            await close_quietly(self.channel)
        self._arrived.put_nowait(incoming)

    def free(self) -> None:
        """Make room for another message, as a delivery has ended."""
        self._room.release()


class _Delivery:
    """One delivery on one channel."""

    def __init__(
        self,
        link: Link,
        incoming: AbstractIncomingMessage,
        *,
        queue: str,
        subscription: _Subscription,
    ) -> None:
        self._link = link
        self._incoming = incoming
        self._queue = queue
        self._subscription = subscription

    @property
    def message(self) -> Message:
        return self._link.read(self._incoming)

    async def ack(self) -> None:
        await self._end(self._incoming.ack)

    async def requeue(self) -> None:
        await self._end(self._incoming.nack)

    async def reject(self, reason: str, *, kept: Message | None = None) -> None:
        # RabbitMQ's own reject loses the reason. Published first, so that a crash in between doubles.
        if self._is_open():
            await self._link.bury(self._queue, kept or self.message, reason=reason)
            await self.ack()

    def _is_open(self) -> bool:
        return not (self._incoming.processed or self._subscription.channel.is_closed)

    async def _end(self, move: Callable[[], Awaitable[None]]) -> None:
        if not self._is_open():
            return
        try:
            async with translate_errors("end a delivery", self._link.deadline):
                await move()
            self._subscription.free()
        except BrokerError as error:
            _log.debug("broker_delivery_lost", exc_info=error)


class _Consumer:
    """The deliveries of one open block, over as many channels as that takes."""

    def __init__(self, link: Link, declare: QueueDeclaration, *, queue: str, prefetch: int) -> None:
        self._link = link
        self._declare = declare
        self._queue = queue
        self._prefetch = prefetch
        self._subscribing = asyncio.Lock()
        self._subscription: _Subscription | None = None
        self._closed = False

    def __aiter__(self) -> AsyncIterator[Delivery]:
        return self

    async def __anext__(self) -> Delivery:
        while not self._closed:
            subscription = self._subscription
            if subscription is None or not subscription.is_live:
                await self._mend()
            elif delivery := await subscription.next():
                return delivery
        raise StopAsyncIteration

    async def _mend(self) -> None:
        async for attempt in stamina.retry_context(on=BrokerError, attempts=None, timeout=None):
            with attempt:
                await self.subscribe()

    async def subscribe(self) -> None:
        """Consume on a new channel, unless another task did so meanwhile or the block has ended."""
        async with self._subscribing, translate_errors(f"consume {self._queue}", self._link.deadline):
            if self._closed or (self._subscription is not None and self._subscription.is_live):
                return
            await self._drop()
            channel = await self._link.open_channel()
            self._subscription = _Subscription(
                self._link, channel, queue=self._queue, prefetch=self._prefetch
            )
            try:
                await self._subscription.start(self._declare)
            finally:
                if self._closed:  # meanwhile, by another task
                    await self._drop()

    async def _drop(self) -> None:
        if self._subscription is not None:
            await close_quietly(self._subscription.channel)

    async def close(self) -> None:
        self._closed = True
        await self._drop()


class RabbitMQBroker:
    """Broker over one connection."""

    def __init__(self, link: Link, *, tracer: Tracer = OFF) -> None:
        self._link = link
        self._tracer = tracer

    async def publish(self, queue: str, message: Message) -> None:
        """See Broker."""
        check_size(message)
        attributes = {"messaging.system": "rabbitmq", "messaging.destination.name": queue}
        with self._tracer.span(f"publish {queue}", SpanKind.PRODUCER, attributes=attributes):
            await self._link.publish(queue, message)

    async def open_topic(self, topic: str) -> None:
        """See Broker."""
        await self._link.open_topic(topic)

    async def emit(self, topic: str, message: Message, *, key: str) -> None:
        """See Broker."""
        check_size(message)
        await self._link.emit(topic, message, key=key)

    async def answer(self, queue: str, message: Message) -> bool:
        """See Broker."""
        check_size(message)
        return await self._link.answer(queue, message)

    async def is_exclusive(self, queue: str) -> bool:
        """See Broker."""
        return await self._link.is_exclusive(queue)

    def consume(self, queue: str, *, prefetch: int) -> AbstractAsyncContextManager[AsyncIterator[Delivery]]:
        """See Broker. Raises BrokerError on entering where the broker cannot be reached."""
        return self._consume(partial(self._link.declare, queue=queue), queue, prefetch=prefetch)

    def listen(
        self, inbox: str, keys: Sequence[str], *, prefetch: int
    ) -> AbstractAsyncContextManager[AsyncIterator[Delivery]]:
        """See Broker; BrokerError as with ``consume``."""
        declare = partial(self._link.declare_inbox, inbox=inbox, keys=tuple(keys))
        return self._consume(declare, inbox, prefetch=prefetch)

    @asynccontextmanager
    async def _consume(
        self, declare: QueueDeclaration, queue: str, *, prefetch: int
    ) -> AsyncIterator[AsyncIterator[Delivery]]:
        consumer = _Consumer(self._link, declare, queue=queue, prefetch=prefetch)
        try:
            await consumer.subscribe()
            yield consumer
        finally:
            await consumer.close()

    async def dead_letters(self, queue: str) -> AsyncIterator[DeadLetter]:
        """See Broker."""
        async with aclosing(self._buried(queue)) as buried:
            async for incoming in buried:
                yield DeadLetter(self._link.read(incoming), queue, _reason(incoming))

    async def discard(self, queue: str, *, message_id: str | None = None) -> int:
        """See Broker."""
        count = 0
        async with aclosing(self._buried(queue)) as buried:
            async for incoming in buried:
                if message_id is not None and incoming.message_id != message_id:
                    continue
                async with translate_errors(f"remove dead letters of {queue}", self._link.deadline):
                    await incoming.ack()
                count += 1
                if count == REMOVED_AT_ONCE:
                    break
        return count

    async def replay(self, queue: str, *, message_id: str | None = None) -> int:
        """See Broker."""
        count = 0
        async with aclosing(self._buried(queue)) as buried:
            async for incoming in buried:
                if message_id is not None and incoming.message_id != message_id:
                    continue
                await self._link.publish(queue, self._link.read(incoming))
                async with translate_errors(f"replay {queue}", self._link.deadline):
                    await incoming.ack()
                count += 1
        return count

    async def remove_dead_letters(self, queue: str, *, older_than: timedelta) -> int:
        """See Broker. A dead letter of unknown age, of an earlier version, is put back as one of today."""
        before, count = datetime.now(UTC) - older_than, 0
        async with aclosing(self._buried(queue)) as buried:
            async for incoming in buried:
                since = dead_since(incoming)
                if count == REMOVED_AT_ONCE or (since is not None and since >= before):
                    break
                if since is None:
                    await self._link.bury(queue, self._link.read(incoming), reason=_reason(incoming))
                async with translate_errors(f"remove dead letters of {queue}", self._link.deadline):
                    await incoming.ack()
                count += since is not None
        return count

    async def _buried(self, queue: str) -> AsyncGenerator[AbstractIncomingMessage]:
        """Give the dead letters that are there at the first step; un-acknowledged ones return at the end."""
        action = f"dead letters of {queue}"
        async with self._link.channel(action) as channel:
            async with translate_errors(action, self._link.deadline):
                dead = await self._link.declare_dead(channel, queue)
            # Of a queue that another process declares at this moment, RabbitMQ knows the count, but a get
            # would end the connection (INTERNAL_ERROR, noproc): at the first look the count is trusted. Later
            # ones get, as the count lacks for a moment what was given back.
            is_first = queue not in self._link.with_dead
            self._link.with_dead.add(queue)
            if is_first and not dead.declaration_result.message_count:
                return
            given, present = 0, 1
            while given < present:
                async with translate_errors(action, self._link.deadline):
                    incoming = await dead.get(fail=False)
                if incoming is None:
                    return
                if not given:
                    present += incoming.message_count or 0
                given += 1
                yield incoming

    async def version(self) -> str:
        """See Broker: what the server says of itself when a connection is opened."""
        async with self._link.channel("version", _CHECK_DEADLINE):
            return self._link.product

    async def check(self) -> None:
        """See Broker: opens a channel, which the broker has to answer within five seconds."""
        async with self._link.channel("check", _CHECK_DEADLINE):
            pass


def _reason(incoming: AbstractIncomingMessage) -> str:
    """Give the reason of a dead letter: ours, or else the broker's."""
    return str(incoming.headers.get(REASON_HEADER) or incoming.headers.get(_BROKERS_REASON_HEADER))


@asynccontextmanager
async def rabbitmq_broker(
    url: str, *, prefix: str = "crossdock.", deadline: timedelta = DEADLINE, tracer: Tracer = OFF
) -> AsyncIterator[RabbitMQBroker]:
    """Give the broker at ``url`` (AMQP URI); it connects at first use.

    ``prefix`` begins the name of every queue; ``deadline`` bounds each call, connecting included.
    """
    link = Link(parse_url(url), prefix=prefix, deadline=deadline)
    try:
        yield RabbitMQBroker(link, tracer=tracer)
    finally:
        await link.close()
