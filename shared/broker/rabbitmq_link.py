"""The connection to RabbitMQ: reconnects, declares queues and publishes.

Reconnecting is done here and not by aio-pika: its robust iterator ends after a minute without a broker, and
gives out messages that a dead channel had buffered.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

from aio_pika import Connection, DeliveryMode, ExchangeType
from aio_pika import Message as Outgoing
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue, HeadersType
from aiormq.exceptions import (
    AMQPError,
    ChannelClosed,
    ChannelInvalidStateError,
    ChannelLockedResource,
    DeliveryError,
    PublishError,
)
from pamqp.common import FieldTable
from pamqp.exceptions import PAMQPException
from yarl import URL

from shared.broker.base import DELIVERY_LIMIT, DIRECT_REPLY_TO, MAX_REASON_CHARACTERS, Message, MessageRefused
from shared.broker.rabbitmq_headers import REASON_HEADER, SENDER_HEADER, as_text, own_headers
from shared.errors import BrokerError
from shared.tracing.context import current_traceparent

_log = logging.getLogger(__name__)

_TRACE_HEADER = "traceparent"  # W3C Trace Context for AMQP; ours go by their job's row

_USER = "guest"
"""The user of the connection where the URL names none (aiormq's default)."""
_CLOSE_DEADLINE = timedelta(seconds=5)
# RabbitMQ's guide to heartbeats names 5 to 20 seconds; aiormq would take 60 and wait for three.
_HEARTBEAT_SECONDS = 15
_Declaration = Callable[..., Awaitable[object]]
"""Creates what a queue, given as ``queue``, needs on a channel."""
_LOST = (AMQPError, ChannelInvalidStateError, PAMQPException, OSError)


@asynccontextmanager
async def translate_errors(action: str, deadline: timedelta) -> AsyncIterator[None]:
    """Turn errors inside, and a block that takes longer than ``deadline``, into BrokerError."""
    try:
        async with asyncio.timeout(deadline.total_seconds()):
            yield
    except Exception as error:
        # A bare Exception is what aiormq gives to the waiting calls of a channel that is closed.
        if not isinstance(error, _LOST) and type(error) is not Exception:
            raise
        raise BrokerError(f"{action}: {type(error).__name__} {error}") from error
    except asyncio.CancelledError as error:
        # aiormq ends the waiting calls of a lost connection this way too, without a cancellation of ours.
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise BrokerError(f"{action}: the connection was lost") from error


async def close_quietly(resource: Connection | AbstractChannel) -> None:
    """Close what may be lost already; the broker returns un-ended deliveries either way."""
    try:
        async with translate_errors("close", _CLOSE_DEADLINE):
            await resource.close()
    except BrokerError as error:
        _log.debug("broker_close_failed", exc_info=error)


def parse_url(url: str) -> URL:
    """Parse an AMQP URI. Raises BrokerError, which does not quote it."""
    try:
        uri = URL(url)
    except ValueError:
        # Without its cause, which quotes the URL, and with it the password.
        raise BrokerError("the URL of the broker is malformed") from None
    return uri.update_query(heartbeat=uri.query.get("heartbeat", _HEARTBEAT_SECONDS))


def _is_open(connection: Connection) -> bool:
    """Tell what the transport knows: aio-pika learns of a lost connection a little later."""
    transport = connection.transport
    return transport is not None and transport.connection.is_opened


class Link:
    """One connection and its publishing channel, opened when they are needed and missing or lost.

    ``prefix`` begins the name of every queue; ``deadline`` bounds each call, connecting included.
    """

    def __init__(self, url: URL, *, prefix: str, deadline: timedelta) -> None:
        self.deadline = deadline
        self._url = url
        self._user = url.user or _USER
        self._prefix = prefix
        self._connecting = asyncio.Lock()
        self._connection: Connection | None = None
        self._declaring = asyncio.Lock()
        self._publishing: AbstractChannel | None = None
        self._declared: set[str] = set()
        self.with_dead: set[str] = set()
        """Queues whose dead letters have been asked for, or buried, by this process."""

    def name(self, queue: str) -> str:
        """Give the name of ``queue`` on the broker."""
        return self._prefix + queue

    def dead_name(self, queue: str) -> str:
        """Give the name, on the broker, of the queue of dead letters of ``queue``."""
        return f"{self._prefix}{queue}.dead"

    async def open_channel(self) -> AbstractChannel:
        """Open a channel with publisher confirms, on which an unroutable message is an error."""
        async with self._connecting:
            if self._connection is None or not _is_open(self._connection):
                await self.close()
                self._connection = Connection(self._url)
                await self._connection.connect()
            connection = self._connection
        return await connection.channel(publisher_confirms=True, on_return_raises=True)

    @property
    def product(self) -> str:
        """The name and version of the server that is connected, or was last; "" before the first."""
        transport = self._connection and self._connection.transport
        told = getattr(transport and transport.connection, "server_properties", {})
        return f"{told.get('product', '')} {told.get('version', '')}".strip()

    @asynccontextmanager
    async def channel(self, action: str, deadline: timedelta | None = None) -> AsyncIterator[AbstractChannel]:
        """Open a channel for the block; un-acknowledged messages on it return at the end."""
        async with translate_errors(action, deadline or self.deadline):
            channel = await self.open_channel()
        try:
            yield channel
        finally:
            await close_quietly(channel)

    async def declare(self, channel: AbstractChannel, queue: str) -> None:
        """Create ``queue`` and the queue of its dead letters, where they are missing."""
        await self.declare_dead(channel, queue)
        arguments: FieldTable = {
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERY_LIMIT - 1,  # RabbitMQ counts returns, not hand-overs
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": self.dead_name(queue),
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",  # which at-least-once asks for
        }
        await channel.declare_queue(self.name(queue), durable=True, arguments=arguments)

    async def declare_dead(self, channel: AbstractChannel, queue: str) -> AbstractQueue:
        """Create the queue of the dead letters of ``queue``, where it is missing, and give it."""
        # RabbitMQ 4 drops a message at its 20th return where no limit is set; each look returns all.
        unlimited: FieldTable = {"x-queue-type": "quorum", "x-delivery-limit": 2**31 - 1}
        return await channel.declare_queue(self.dead_name(queue), durable=True, arguments=unlimited)

    async def declare_topic(self, channel: AbstractChannel, topic: str) -> None:
        """Create the exchange of ``topic``, where it is missing."""
        await channel.declare_exchange(self.name(topic), ExchangeType.TOPIC, durable=True)

    async def declare_inbox(self, channel: AbstractChannel, inbox: str, keys: Sequence[str]) -> None:
        """Create the queue ``inbox``, and the exchange of that name that fills it, where they are missing.

        Messages under other keys take the alternate exchange: RabbitMQ would drop them.
        """
        await self.declare(channel, inbox)
        others = self.name(f"{inbox}.others")
        around = await channel.declare_exchange(others, ExchangeType.FANOUT, durable=True, internal=True)
        exchange = await channel.declare_exchange(
            self.name(inbox), ExchangeType.DIRECT, durable=True, arguments={"alternate-exchange": others}
        )
        queue = await channel.get_queue(self.name(inbox), ensure=False)
        await queue.bind(around)
        for key in keys:
            await queue.bind(exchange, key)

    async def publish(self, queue: str, message: Message) -> None:
        """Return once the broker has confirmed that ``queue`` holds ``message``."""
        trace = current_traceparent()
        traced: HeadersType | None = None if trace is None else {_TRACE_HEADER: trace}
        await self._send(queue, self._outgoing(message, traced), self.name(queue), self.declare)

    async def bury(self, queue: str, message: Message, *, reason: str) -> None:
        """Return once the broker has confirmed that the dead letters of ``queue`` hold ``message``."""
        # Headers have to fit into one frame, and a longer one ends the connection.
        outgoing = self._outgoing(message, {REASON_HEADER: reason[:MAX_REASON_CHARACTERS]})
        outgoing.timestamp = datetime.now(UTC)
        await self._send(queue, outgoing, self.dead_name(queue), self.declare_dead)
        self.with_dead.add(queue)

    async def _send(self, queue: str, outgoing: Outgoing, routing_key: str, declare: _Declaration) -> None:
        async with translate_errors(f"publish to {queue}", self.deadline):
            channel = await self._channel(routing_key, partial(declare, queue=queue))
            try:
                await channel.default_exchange.publish(outgoing, routing_key, mandatory=True)
            except PublishError:
                self._declared.discard(routing_key)  # someone deleted it: the next attempt declares it
                raise

    async def emit(self, topic: str, message: Message, *, key: str) -> None:
        """Return once the broker has given ``message`` to every queue bound to ``topic`` by ``key``."""
        async with translate_errors(f"emit to {topic}", self.deadline):
            channel = await self._topic_channel(topic)
            exchange = await channel.get_exchange(self.name(topic), ensure=False)
            try:
                await exchange.publish(self._outgoing(message), key, mandatory=False)
            except DeliveryError:  # a nack: RabbitMQ gives one where any of the queues refuses
                raise MessageRefused(f"emit to {topic}") from None

    async def open_topic(self, topic: str) -> None:
        """Create ``topic`` where it is missing."""
        async with translate_errors(f"open {topic}", self.deadline):
            await self._topic_channel(topic)

    async def _topic_channel(self, topic: str) -> AbstractChannel:
        return await self._channel(f"topic {topic}", partial(self.declare_topic, topic=topic))

    async def answer(self, queue: str, message: Message) -> bool:
        """Put ``message`` into the queue of this very name; False where it is missing, full, or one of ours.

        Ours are refused, as a system that may send commands must not write into the queues of our services.
        Of a direct reply-to it is not known whether somebody still waits there.
        """
        if self._prefix and queue.startswith(self._prefix):
            return False
        # RabbitMQ hands a direct reply over and returns it nevertheless, as there is no queue.
        mandatory = not queue.startswith(DIRECT_REPLY_TO)
        async with translate_errors(f"answer to {queue}", self.deadline):
            channel = await self._channel("answers", _nothing_to_declare)
            try:
                await channel.default_exchange.publish(self._outgoing(message), queue, mandatory=mandatory)
            except DeliveryError:  # returned, or refused
                return False
            return True

    async def is_exclusive(self, queue: str) -> bool:
        """Tell whether ``queue`` is an exclusive queue of another connection.

        RabbitMQ locks such a queue for all others, even for a passive declaration, which changes nothing and
        needs no permission.
        """
        action = f"look at {queue}"
        async with self.channel(action) as channel, translate_errors(action, self.deadline):
            try:
                await channel.declare_queue(queue, passive=True)
            except ChannelLockedResource:
                return True
            except ChannelClosed:  # it is missing, or may not be looked at
                return False
            return False

    async def _channel(
        self, what: str, declare: Callable[[AbstractChannel], Awaitable[object]]
    ) -> AbstractChannel:
        """Give the channel to publish on, after ``declare`` has run there for ``what``."""
        async with self._declaring:
            if self._publishing is None or self._publishing.is_closed:
                self._declared.clear()
                self._publishing = await self.open_channel()
            if what not in self._declared:
                await declare(self._publishing)
                self._declared.add(what)
            return self._publishing

    def _outgoing(self, message: Message, headers: HeadersType | None = None) -> Outgoing:
        sender: HeadersType = {} if message.user_id is None else {SENDER_HEADER: message.user_id}
        return Outgoing(
            message.body,
            headers={**message.headers, **sender, **(headers or {})},
            message_id=message.message_id,
            correlation_id=message.correlation_id,
            content_type=message.content_type,
            reply_to=message.reply_to,
            # RabbitMQ accepts no other user than that of the connection.
            user_id=None if message.user_id is None else self._user,
            delivery_mode=DeliveryMode.PERSISTENT,
        )

    def read(self, incoming: AbstractIncomingMessage) -> Message:
        """Read a delivered message; other systems may have left out the id.

        A dead letter was sent again by us; a header of ours names its first sender.
        """
        sender = incoming.user_id
        if sender is not None and sender == self._user:
            sender = as_text(incoming.headers.get(SENDER_HEADER)) or sender
        return Message(
            incoming.body,
            incoming.message_id or "",
            incoming.correlation_id,
            content_type=incoming.content_type,
            headers=own_headers(incoming.headers),
            reply_to=incoming.reply_to,
            user_id=sender,
        )

    async def close(self) -> None:
        """Close the connection; the next channel opens a new one."""
        if self._connection is not None:
            await close_quietly(self._connection)
            self._connection = None


async def _nothing_to_declare(_channel: AbstractChannel) -> None:
    """The queue is another system's."""
