"""What the broker does for other systems: topics, inboxes and answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import aio_pika
import pytest

from shared.broker.base import MAX_BODY_BYTES, Broker, DeadLetter, Delivery, Message, MessageTooLarge
from shared.broker.memory import MemoryBroker
from shared.broker.rabbitmq import rabbitmq_broker

TOPIC = "events"
INBOX = "commands"
KEYS = ("import.requested", "export.requested")
SOON = 10.0
FULL = Message(
    b"{}", "m-1", "c-1", content_type="application/json", headers={"cloudEvents_id": "1"}, reply_to="answers",
    user_id="guest",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Others:
    """Another system: what it hears of the topic, and its way to send to the inbox."""

    heard: asyncio.Queue[tuple[str, Message]]
    send: Callable[[str, Message], Awaitable[None]]
    waiting: Callable[[], AbstractAsyncContextManager[tuple[str, asyncio.Queue[Message]]]]


@pytest.fixture(params=["memory", "rabbitmq"])
async def both(request: pytest.FixtureRequest, queue_prefix: str) -> AsyncIterator[tuple[Broker, Others]]:
    heard: asyncio.Queue[tuple[str, Message]] = asyncio.Queue()
    if request.param == "memory":
        memory = MemoryBroker()
        memory.on_emit(lambda _, key, message: heard.put_nowait((key, message)))
        yield (
            memory,
            Others(heard, lambda _, message: memory.publish(INBOX, message), lambda: _waiting(memory)),
        )
        return
    url: str = request.getfixturevalue("rabbitmq_url")
    async with (
        rabbitmq_broker(url, prefix=queue_prefix) as broker,
        await aio_pika.connect(url) as connection,
        await connection.channel() as channel,
    ):
        await broker.open_topic(TOPIC)
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(f"{queue_prefix}{TOPIC}", "#")

        async def hear(incoming: aio_pika.abc.AbstractIncomingMessage) -> None:
            await heard.put((incoming.routing_key or "", broker._link.read(incoming)))

        await queue.consume(hear, no_ack=True)

        async def send(key: str, message: Message) -> None:
            exchange = await channel.get_exchange(f"{queue_prefix}{INBOX}", ensure=False)
            await exchange.publish(_foreign(message), key)

        @asynccontextmanager
        async def waiting() -> AsyncIterator[tuple[str, asyncio.Queue[Message]]]:
            answers: asyncio.Queue[Message] = asyncio.Queue()
            own = await channel.declare_queue(exclusive=True)

            async def take_in(incoming: aio_pika.abc.AbstractIncomingMessage) -> None:
                await answers.put(broker._link.read(incoming))

            await own.consume(take_in, no_ack=True)
            yield own.name, answers

        yield broker, Others(heard, send, waiting)


@asynccontextmanager
async def _waiting(memory: MemoryBroker) -> AsyncIterator[tuple[str, asyncio.Queue[Message]]]:
    answers: asyncio.Queue[Message] = asyncio.Queue()

    async def wait(deliveries: AsyncIterator[Delivery]) -> None:
        async for delivery in deliveries:
            await delivery.ack()
            await answers.put(delivery.message)

    async with memory.consume("answers", prefetch=1) as deliveries:
        task = asyncio.create_task(wait(deliveries))
        yield "answers", answers
    await task


def _foreign(message: Message) -> aio_pika.Message:
    return aio_pika.Message(
        message.body, message_id=message.message_id, correlation_id=message.correlation_id,
        content_type=message.content_type, headers=dict(message.headers), reply_to=message.reply_to,
        user_id=message.user_id,
    )  # fmt: skip


@pytest.fixture
def broker(both: tuple[Broker, Others]) -> Broker:
    return both[0]


@pytest.fixture
def others(both: tuple[Broker, Others]) -> Others:
    return both[1]


async def take(deliveries: AsyncIterator[Delivery]) -> Delivery:
    async with asyncio.timeout(SOON):
        return await anext(deliveries)


async def dead(broker: Broker, queue: str = INBOX) -> list[DeadLetter]:
    return [letter async for letter in broker.dead_letters(queue)]


async def test_what_is_emitted_is_heard_in_order_with_its_key_and_all_it_has(
    broker: Broker, others: Others
) -> None:
    sent = [
        (f"import.{n}", Message(b"{}", f"m-{n}", "c", content_type="a/b", headers={"a": "1"}))
        for n in range(5)
    ]
    for key, message in sent:
        await broker.emit(TOPIC, message, key=key)
    async with asyncio.timeout(SOON):
        assert [await others.heard.get() for _ in sent] == sent


async def test_what_nobody_listens_to_may_be_emitted(broker: Broker) -> None:
    await broker.emit("silence", Message(b"{}", "m"), key="import.finished")


async def test_a_large_event_is_refused_for_good(broker: Broker) -> None:
    with pytest.raises(MessageTooLarge):
        await broker.emit(TOPIC, Message(b"x" * (MAX_BODY_BYTES + 1), "m"), key="a")


async def test_an_inbox_gets_what_others_send_with_all_it_has(broker: Broker, others: Others) -> None:
    async with broker.listen(INBOX, KEYS, prefetch=2) as deliveries:
        for key in KEYS:
            await others.send(key, FULL)
        assert [(await take(deliveries)).message for _ in KEYS] == [FULL, FULL]


async def test_an_inbox_gets_what_is_sent_under_another_key_once(broker: Broker, others: Others) -> None:
    async with broker.listen(INBOX, KEYS, prefetch=3) as deliveries:
        await others.send("import.requestd", FULL)
        await others.send(KEYS[0], Message(b"", "last"))
        ids = [(await take(deliveries)).message.message_id for _ in range(2)]
        assert sorted(ids) == ["last", FULL.message_id]


async def test_an_inbox_keeps_what_comes_while_nobody_listens(broker: Broker, others: Others) -> None:
    async with broker.listen(INBOX, KEYS, prefetch=1):
        pass
    await others.send(KEYS[0], FULL)
    async with broker.listen(INBOX, KEYS, prefetch=1) as deliveries:
        assert (await take(deliveries)).message == FULL


async def test_a_command_that_is_refused_and_replayed_is_still_from_who_sent_it(
    broker: Broker, others: Others
) -> None:
    async with broker.listen(INBOX, KEYS, prefetch=1) as deliveries:
        await others.send(KEYS[0], FULL)
        await (await take(deliveries)).reject("no")
        assert await dead(broker) == [DeadLetter(FULL, INBOX, "no")]
        assert await broker.replay(INBOX) == 1
        assert (await take(deliveries)).message == FULL


async def test_an_answer_arrives_in_the_queue_that_was_named(broker: Broker, others: Others) -> None:
    async with others.waiting() as (name, answers):
        assert await broker.answer(name, FULL)
        async with asyncio.timeout(SOON):
            assert await answers.get() == FULL


async def test_an_answer_to_a_queue_that_is_gone_is_no_error(broker: Broker) -> None:
    assert not await broker.answer("nobody", Message(b"{}", "m"))


async def test_no_answer_goes_into_a_queue_of_ours(rabbitmq_url: str, queue_prefix: str) -> None:
    async with (
        rabbitmq_broker(rabbitmq_url, prefix=queue_prefix) as broker,
        broker.consume("import", prefetch=1),
    ):
        assert not await broker.answer(f"{queue_prefix}import", Message(b"{}", "m"))
