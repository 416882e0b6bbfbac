import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import cast
from urllib.parse import urlsplit
from uuid import uuid4

import aio_pika
import pytest
from prometheus_client import CollectorRegistry

from services.api.queue.command_service import CommandService
from services.api.queue.consumer import INBOX, CommandConsumer
from services.api.queue.metrics import CommandMetrics, ReplyEnd
from services.api.queue.reply_queues import ReplyQueues
from shared.broker import rabbitmq
from shared.broker.base import Message, MessageRefused
from shared.broker.rabbitmq import RabbitMQBroker, rabbitmq_broker
from shared.broker.rabbitmq_link import translate_errors
from shared.errors import BrokerError
from tests.support.rabbitmq import OwnRabbitMQServer, throwaway_rabbitmq
from tests.support.waiting import until

QUEUE = "export"
SOON = 30.0
DEADLINE = timedelta(seconds=5)


@pytest.fixture(scope="module")
def rabbitmq_server() -> Iterator[OwnRabbitMQServer]:
    """A node that may be killed, as nobody else uses it."""
    with throwaway_rabbitmq() as server:
        yield server


@pytest.fixture
async def broker(rabbitmq_url: str, queue_prefix: str) -> AsyncIterator[RabbitMQBroker]:
    async with rabbitmq_broker(rabbitmq_url, prefix=queue_prefix, deadline=DEADLINE) as connected:
        yield connected


@pytest.fixture
async def silent_url() -> AsyncIterator[str]:
    """A server that accepts and then says nothing."""
    held: list[asyncio.StreamWriter] = []

    async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    async with await asyncio.start_server(hold, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"amqp://user:secret@127.0.0.1:{port}/"
        for writer in held:
            writer.close()


@pytest.fixture
async def elsewhere(rabbitmq_url: str) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
    """Another system's way to the broker."""
    async with await aio_pika.connect(rabbitmq_url) as connection, await connection.channel() as opened:
        yield opened


async def _full_queue(channel: aio_pika.abc.AbstractChannel) -> aio_pika.abc.AbstractQueue:
    """A queue of somebody's that takes one message, and no more until that is read."""
    return await channel.declare_queue(
        exclusive=True, arguments={"x-max-length": 1, "x-overflow": "reject-publish"}
    )


async def test_an_answer_arrives_by_the_direct_reply_to_and_in_a_queue_that_rabbitmq_named(
    elsewhere: aio_pika.abc.AbstractChannel, broker: RabbitMQBroker, queue_prefix: str
) -> None:
    direct = await elsewhere.get_queue("amq.rabbitmq.reply-to", ensure=False)
    named = await elsewhere.declare_queue(exclusive=True)
    answers: asyncio.Queue[str | None] = asyncio.Queue()

    async def take(answer: aio_pika.abc.AbstractIncomingMessage) -> None:
        await answers.put(answer.message_id)

    for queue in (direct, named):
        await queue.consume(take, no_ack=True)
    async with broker.listen(INBOX, ["job.cancel"], prefetch=1) as deliveries:
        exchange = await elsewhere.get_exchange(f"{queue_prefix}{INBOX}", ensure=False)
        for queue in (direct, named):
            await exchange.publish(aio_pika.Message(b"{}", reply_to=queue.name), "job.cancel")
            delivery = await anext(deliveries)
            address = delivery.message.reply_to or ""
            assert ReplyQueues().allows(address)
            assert await broker.answer(address, Message(b"{}", queue.name))
            await delivery.ack()
            async with asyncio.timeout(SOON):
                assert await answers.get() == queue.name


async def test_a_queue_is_exclusive_where_a_connection_holds_it_alone(
    rabbitmq_url: str, elsewhere: aio_pika.abc.AbstractChannel, broker: RabbitMQBroker
) -> None:
    own, shared_, none = (uuid4().hex for _ in range(3))
    await elsewhere.declare_queue(shared_, auto_delete=True)
    async with await aio_pika.connect(rabbitmq_url) as connection:
        await (await connection.channel()).declare_queue(own, exclusive=True)
        found = [await broker.is_exclusive(queue) for queue in (own, shared_, none, "amq.rabbitmq.reply-to")]
        assert found == [True, False, False, False]
    assert not await broker.is_exclusive(own)  # it went with its connection


async def test_answers_go_into_exclusive_queues_and_into_no_other(
    elsewhere: aio_pika.abc.AbstractChannel, broker: RabbitMQBroker, queue_prefix: str
) -> None:
    own = await elsewhere.declare_queue(uuid4().hex, exclusive=True)
    payments = await elsewhere.declare_queue(uuid4().hex, auto_delete=True)
    async with broker.listen(INBOX, ["job.cancel"], prefetch=1):
        exchange = await elsewhere.get_exchange(f"{queue_prefix}{INBOX}", ensure=False)
    registry = CollectorRegistry()
    async with _answering(broker, registry):
        for queue in (payments, own):
            await exchange.publish(aio_pika.Message(b"no event", reply_to=queue.name), "job.cancel")
        await until(lambda: _replied(registry) == {"sent": 1, "forbidden": 1})
    answer = await own.get(timeout=SOON)
    assert answer is not None
    assert b"not a CloudEvent" in answer.body
    assert await payments.get(fail=False) is None


@asynccontextmanager
async def _answering(broker: RabbitMQBroker, registry: CollectorRegistry) -> AsyncIterator[None]:
    """Answer commands that are none, for which no service is asked."""
    service = cast("CommandService", None)
    metrics = CommandMetrics(registry)
    consumer = CommandConsumer(broker, service, source="/", reply_queues=ReplyQueues(), metrics=metrics)
    running = asyncio.create_task(consumer.run())
    yield
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def _replied(registry: CollectorRegistry) -> dict[str, float]:
    ends = {
        end.value: registry.get_sample_value("crossdock_command_replies_total", {"result": end.value})
        for end in ReplyEnd
    }
    return {end: count for end, count in ends.items() if count}


async def test_a_full_queue_refuses_an_event_that_others_hear(
    elsewhere: aio_pika.abc.AbstractChannel, broker: RabbitMQBroker, queue_prefix: str
) -> None:
    await broker.open_topic("events")
    full, other = await _full_queue(elsewhere), await elsewhere.declare_queue(exclusive=True)
    for queue in (full, other):
        await queue.bind(f"{queue_prefix}events", "#")
    await broker.emit("events", Message(b"", "1"), key="a.b")
    with pytest.raises(MessageRefused):
        await broker.emit("events", Message(b"", "2"), key="a.b")
    for number in ("1", "2"):
        heard = await other.get(timeout=SOON)
        assert heard is not None
        assert heard.message_id == number
    assert (await broker.answer(f"{queue_prefix}none", Message(b"", "3"))) is False  # it goes on


async def test_an_answer_to_a_full_queue_is_told_as_not_given(
    elsewhere: aio_pika.abc.AbstractChannel, broker: RabbitMQBroker
) -> None:
    full = await _full_queue(elsewhere)
    answers = [await broker.answer(full.name, Message(b"", str(number))) for number in range(2)]
    assert answers == [True, False]


async def take(broker: RabbitMQBroker) -> Message:
    """The next message of a consumer that comes for it alone."""
    async with broker.consume(QUEUE, prefetch=1) as deliveries, asyncio.timeout(SOON):
        delivery = await anext(deliveries)
        await delivery.ack()
    return delivery.message


async def test_a_killed_node_keeps_what_it_confirmed_and_the_adapter_works_on(
    rabbitmq_server: OwnRabbitMQServer, queue_prefix: str, broker: RabbitMQBroker
) -> None:
    await broker.publish(QUEUE, Message(b"", "before"))
    await asyncio.to_thread(rabbitmq_server.kill, keeping=f"{queue_prefix}{QUEUE}")
    try:
        with pytest.raises(BrokerError):
            await broker.publish(QUEUE, Message(b"", "meanwhile"))
        with pytest.raises(BrokerError):
            await broker.check()
    finally:
        await asyncio.to_thread(rabbitmq_server.start)
    await broker.check()
    await broker.publish(QUEUE, Message(b"", "after"))
    assert {(await take(broker)).message_id for _ in range(2)} == {"before", "after"}


async def test_a_consumer_goes_on_after_the_node_was_killed_and_started_again(
    rabbitmq_server: OwnRabbitMQServer, queue_prefix: str, broker: RabbitMQBroker
) -> None:
    async with broker.consume(QUEUE, prefetch=1) as deliveries:
        await broker.publish(QUEUE, Message(b"", "un-ended"))
        lost = await anext(deliveries)
        waiting = asyncio.ensure_future(anext(deliveries))
        await asyncio.to_thread(rabbitmq_server.kill, keeping=f"{queue_prefix}{QUEUE}")
        await lost.ack()
        await lost.reject("the connection is lost")
        await asyncio.to_thread(rabbitmq_server.start)
        async with asyncio.timeout(SOON):
            again = await waiting
        await again.ack()
        assert again.message == lost.message
    assert [letter async for letter in broker.dead_letters(QUEUE)] == []


async def test_a_queue_that_was_deleted_is_an_error_once_and_then_there_again(
    rabbitmq_url: str, queue_prefix: str, broker: RabbitMQBroker
) -> None:
    await broker.publish(QUEUE, Message(b"", "lost"))
    await delete(rabbitmq_url, f"{queue_prefix}{QUEUE}")
    with pytest.raises(BrokerError):
        await broker.publish(QUEUE, Message(b"", "unroutable"))
    await broker.publish(QUEUE, Message(b"", "routable"))
    assert (await take(broker)).message_id == "routable"


async def test_a_consumer_declares_its_queue_again_when_that_was_deleted(
    rabbitmq_url: str, queue_prefix: str, broker: RabbitMQBroker
) -> None:
    name = f"{queue_prefix}{QUEUE}"
    async with broker.consume(QUEUE, prefetch=1) as deliveries, asyncio.timeout(SOON):
        waiting = asyncio.ensure_future(anext(deliveries))
        await delete(rabbitmq_url, name)
        while not await exists(rabbitmq_url, name):
            pass
        while not await published(broker):  # what comes while the old queue still ends is refused
            pass
        assert (await waiting).message.message_id == "after"


async def published(broker: RabbitMQBroker) -> bool:
    try:
        await broker.publish(QUEUE, Message(b"", "after"))
    except BrokerError:
        return False
    return True


async def delete(url: str, queue: str) -> None:
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        await channel.queue_delete(queue)


async def exists(url: str, queue: str) -> bool:
    async with await aio_pika.connect(url) as connection:
        try:
            await (await connection.channel()).declare_queue(queue, passive=True)
        except aio_pika.exceptions.ChannelNotFoundEntity:
            return False
    return True


async def test_a_server_that_says_nothing_costs_no_more_than_the_deadline(silent_url: str) -> None:
    before = asyncio.all_tasks()
    async with rabbitmq_broker(silent_url, deadline=timedelta(seconds=0.2)) as broker:
        with pytest.raises(BrokerError, match="Timeout"):
            await broker.publish(QUEUE, Message(b"", "m-1"))
        with pytest.raises(BrokerError, match="Timeout"):
            async with broker.consume(QUEUE, prefetch=1):
                pytest.fail("there is nothing to consume from")
    ending = asyncio.all_tasks() - before
    assert not ending or not (await asyncio.wait(ending, timeout=SOON))[1]


async def test_a_call_that_the_library_cancels_with_its_connection_is_a_broker_error(
    broker: RabbitMQBroker,
) -> None:
    async def call() -> None:
        async with translate_errors("declare", DEADLINE):
            await broker._link.declare(channel, QUEUE)

    await broker.check()
    async with broker._link.channel("look") as channel:
        transport = broker._link._connection.transport  # type: ignore[union-attr] # connected by check
        assert transport is not None
        with pytest.raises(BrokerError):
            await asyncio.gather(call(), transport.connection.close(asyncio.CancelledError))


async def test_messages_of_other_systems_need_no_ids(
    rabbitmq_url: str, queue_prefix: str, broker: RabbitMQBroker
) -> None:
    await broker.publish(QUEUE, Message(b"", "declares the queue"))
    await take(broker)
    async with await aio_pika.connect(rabbitmq_url) as connection, connection.channel() as channel:
        await channel.default_exchange.publish(aio_pika.Message(b"foreign"), f"{queue_prefix}{QUEUE}")
    assert (await take(broker)).body == b"foreign"


async def test_the_password_is_in_no_error_and_no_log(
    rabbitmq_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    host = urlsplit(rabbitmq_url).netloc.rpartition("@")[2]
    password = uuid4().hex
    async with rabbitmq_broker(f"amqp://guest:{password}@{host}/") as refused:
        with pytest.raises(BrokerError) as error:
            await refused.check()
    assert password not in "".join(traceback.format_exception(error.value)) + caplog.text


async def test_a_malformed_url_is_not_quoted() -> None:
    with pytest.raises(BrokerError) as error:
        async with rabbitmq_broker("amqp://guest:s3cret/@localhost/"):
            pytest.fail("a port that is no number")
    assert "s3cret" not in str(error.value)
    assert error.value.__cause__ is None


async def test_a_dead_letter_of_unknown_age_is_kept_for_one_more_term(
    broker: RabbitMQBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await broker.publish(QUEUE, Message(b"", "old"))
    monkeypatch.setattr(rabbitmq, "dead_since", lambda _: None)
    async with broker.consume(QUEUE, prefetch=1) as deliveries:
        await (await anext(deliveries)).reject("by an earlier version")
    assert await broker.remove_dead_letters(QUEUE, older_than=timedelta(0)) == 0
    monkeypatch.undo()
    [letter] = [letter async for letter in broker.dead_letters(QUEUE)]
    assert (letter.message.message_id, letter.reason) == ("old", "by an earlier version")
    assert await broker.remove_dead_letters(QUEUE, older_than=timedelta(0)) == 1


async def test_processes_that_start_at_once_look_for_dead_letters_in_queues_that_are_new(
    rabbitmq_url: str, queue_prefix: str
) -> None:
    """RabbitMQ ends the connection of whoever gets from a queue that another process is still declaring."""
    async with AsyncExitStack() as stack:
        brokers = [
            await stack.enter_async_context(rabbitmq_broker(rabbitmq_url, prefix=queue_prefix))
            for _ in range(2)
        ]
        for _ in range(20):
            queue = uuid4().hex
            removed = [broker.remove_dead_letters(queue, older_than=timedelta(0)) for broker in brokers]
            assert await asyncio.gather(*removed) == [0, 0]
