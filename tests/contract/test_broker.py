import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta

import pytest

from shared.broker import memory, rabbitmq
from shared.broker.base import (
    DELIVERY_LIMIT,
    LIMIT_REASON,
    MAX_BODY_BYTES,
    MAX_REASON_CHARACTERS,
    Broker,
    DeadLetter,
    Delivery,
    Message,
    MessageTooLarge,
)
from shared.broker.memory import MemoryBroker
from shared.broker.rabbitmq import rabbitmq_broker
from shared.errors import BrokerError
from tests.support.waiting import until

QUEUE = "export"
SOON = 10.0
A_WHILE = 0.3
"""Seconds in which a message that must not come would have come."""


@pytest.fixture(params=["memory", "rabbitmq"])
async def broker(request: pytest.FixtureRequest, queue_prefix: str) -> AsyncIterator[Broker]:
    if request.param == "memory":
        yield MemoryBroker()
        return
    url: str = request.getfixturevalue("rabbitmq_url")
    async with rabbitmq_broker(url, prefix=queue_prefix) as connected:
        yield connected


def message(number: int = 0) -> Message:
    return Message(f'{{"job": {number}}}'.encode(), f"message-{number}", f"request-{number}")


async def publish(broker: Broker, count: int) -> list[Message]:
    messages = [message(number) for number in range(count)]
    for each in messages:
        await broker.publish(QUEUE, each)
    return messages


async def take(deliveries: AsyncIterator[Delivery], count: int = 1) -> list[Delivery]:
    async with asyncio.timeout(SOON):
        return [await anext(deliveries) for _ in range(count)]


async def nothing_comes(deliveries: AsyncIterator[Delivery]) -> bool:
    try:
        async with asyncio.timeout(A_WHILE):
            await anext(deliveries)
    except TimeoutError:
        return True
    return False


async def rejected(broker: Broker, count: int = 1, reason: str = "no such job") -> None:
    """Publish ``count`` messages and put them all into the dead letters."""
    await publish(broker, count)
    async with broker.consume(QUEUE, prefetch=count) as deliveries:
        for delivery in await take(deliveries, count):
            await delivery.reject(reason)


async def dead(broker: Broker, count: int) -> list[DeadLetter]:
    """The dead letters once there are ``count``: RabbitMQ moves some of them in its own time."""

    async def enough() -> tuple[list[DeadLetter], ...]:
        letters = [letter async for letter in broker.dead_letters(QUEUE)]
        return (letters,) if len(letters) >= count else ()

    [letters] = await until(enough)
    return letters


def numbers(deliveries: list[Delivery]) -> set[str]:
    return {delivery.message.message_id for delivery in deliveries}


async def test_what_was_published_is_delivered_with_its_body_and_ids(broker: Broker) -> None:
    sent = [Message(b"\x00\xff", "m-1", "c-1"), Message(b"", "m-2"), Message(b"x" * MAX_BODY_BYTES, "m-3")]
    async with broker.consume(QUEUE, prefetch=3) as deliveries:
        for each in sent:
            await broker.publish(QUEUE, each)
        arrived = [delivery.message for delivery in await take(deliveries, 3)]
    assert sorted(arrived, key=lambda each: each.message_id) == sent


async def test_what_was_published_before_any_consumer_came_is_kept(broker: Broker) -> None:
    (sent,) = await publish(broker, 1)
    async with broker.consume(QUEUE, prefetch=1) as deliveries:
        (delivery,) = await take(deliveries)
        assert delivery.message == sent


async def test_queues_do_not_mix(broker: Broker) -> None:
    await publish(broker, 1)
    async with broker.consume("import", prefetch=1) as deliveries:
        assert await nothing_comes(deliveries)


async def test_an_acked_message_never_comes_again(broker: Broker) -> None:
    await publish(broker, 1)
    async with broker.consume(QUEUE, prefetch=1) as deliveries:
        await (await take(deliveries))[0].ack()
        assert await nothing_comes(deliveries)
    async with broker.consume(QUEUE, prefetch=1) as deliveries:
        assert await nothing_comes(deliveries)


async def test_a_requeued_message_comes_again(broker: Broker) -> None:
    (sent,) = await publish(broker, 1)
    async with broker.consume(QUEUE, prefetch=1) as deliveries:
        await (await take(deliveries))[0].requeue()
        assert (await take(deliveries))[0].message == sent


async def test_the_last_hand_over_that_is_requeued_makes_a_dead_letter(broker: Broker) -> None:
    (sent,) = await publish(broker, 1)
    async with broker.consume(QUEUE, prefetch=1) as deliveries:
        for _ in range(DELIVERY_LIMIT):
            await (await take(deliveries))[0].requeue()
        assert await nothing_comes(deliveries)
    assert await dead(broker, 1) == [DeadLetter(sent, QUEUE, LIMIT_REASON)]


async def test_given_back_deliveries_count_as_hand_overs(broker: Broker) -> None:
    await publish(broker, 1)
    for _ in range(DELIVERY_LIMIT):
        async with broker.consume(QUEUE, prefetch=1) as deliveries:
            await take(deliveries)
    assert [letter.reason for letter in await dead(broker, 1)] == [LIMIT_REASON]


async def test_a_rejected_message_is_a_dead_letter_with_its_reason_and_never_comes_again(
    broker: Broker,
) -> None:
    (sent,) = await publish(broker, 1)
    async with broker.consume(QUEUE, prefetch=1) as deliveries:
        await (await take(deliveries))[0].reject("no such jób")
        assert await nothing_comes(deliveries)
    assert await dead(broker, 1) == [DeadLetter(sent, QUEUE, "no such jób")]


async def test_a_long_reason_is_cut(broker: Broker) -> None:
    await rejected(broker, reason="x" * 200_000)
    assert [letter.reason for letter in await dead(broker, 1)] == ["x" * MAX_REASON_CHARACTERS]


async def test_only_the_first_move_on_a_delivery_counts(broker: Broker) -> None:
    await publish(broker, 1)
    async with broker.consume(QUEUE, prefetch=1) as deliveries:
        (delivery,) = await take(deliveries)
        await delivery.ack()
        await delivery.requeue()
        await delivery.reject("too late")
        assert await nothing_comes(deliveries)
    assert await dead(broker, 0) == []


async def test_un_ended_deliveries_come_again_elsewhere_when_the_block_is_left(broker: Broker) -> None:
    await publish(broker, 2)
    async with broker.consume(QUEUE, prefetch=2) as deliveries:
        given_back = await take(deliveries, 2)
    async with broker.consume(QUEUE, prefetch=2) as deliveries:
        assert numbers(await take(deliveries, 2)) == numbers(given_back)


async def test_a_move_on_a_delivery_that_was_given_back_does_nothing(broker: Broker) -> None:
    await publish(broker, 1)
    async with broker.consume(QUEUE, prefetch=1) as deliveries:
        (given_back,) = await take(deliveries)
    await given_back.ack()
    await given_back.reject("too late")
    assert await dead(broker, 0) == []
    async with broker.consume(QUEUE, prefetch=1) as deliveries:
        assert numbers(await take(deliveries)) == numbers([given_back])


async def test_at_most_prefetch_deliveries_are_un_ended(broker: Broker) -> None:
    await publish(broker, 3)
    async with broker.consume(QUEUE, prefetch=2) as deliveries:
        first, second = await take(deliveries, 2)
        assert await nothing_comes(deliveries)
        await first.ack()
        (third,) = await take(deliveries)
    assert numbers([first, second, third]) == {"message-0", "message-1", "message-2"}


async def test_two_consumers_share_the_work_without_doubles(broker: Broker) -> None:
    async with broker.consume(QUEUE, prefetch=1) as one, broker.consume(QUEUE, prefetch=1) as other:
        await publish(broker, 2)
        held = [*await take(one), *await take(other)]
        assert numbers(held) == {"message-0", "message-1"}


async def test_who_asks_for_no_more_keeps_none_from_others(broker: Broker) -> None:
    async with broker.consume(QUEUE, prefetch=3) as busy, broker.consume(QUEUE, prefetch=3) as idle:
        await publish(broker, 4)
        held = await take(busy)
        await held[0].ack()
        others = await take(idle, 3)
        assert numbers([*held, *others]) == {f"message-{number}" for number in range(4)}


async def test_one_consumer_takes_message_after_message(broker: Broker) -> None:
    await publish(broker, 20)
    async with broker.consume(QUEUE, prefetch=2) as deliveries:
        for number in range(20):
            (delivery,) = await take(deliveries)
            assert delivery.message.message_id == f"message-{number}"
            await delivery.ack()
        assert await nothing_comes(deliveries)


async def test_dead_letters_can_be_looked_at_again_and_again(broker: Broker) -> None:
    await rejected(broker, 3)
    looks = [await dead(broker, 3) for _ in range(3)]
    assert looks[0] == looks[1] == looks[2]
    assert [letter.message for letter in looks[0]] == [message(0), message(1), message(2)]


async def test_a_look_that_is_broken_off_removes_nothing(broker: Broker) -> None:
    await rejected(broker, 2)
    async with aclosing(broker.dead_letters(QUEUE)) as letters:  # type: ignore[type-var] # both are generators
        await anext(letters)
    assert len(await dead(broker, 2)) == 2


async def test_replay_brings_dead_letters_back_once_and_with_all_hand_overs(broker: Broker) -> None:
    await rejected(broker, 2)
    assert await broker.replay(QUEUE) == 2
    assert await broker.replay(QUEUE) == 0
    async with broker.consume(QUEUE, prefetch=2) as deliveries:
        for _ in range(DELIVERY_LIMIT - 1):
            for delivery in await take(deliveries, 2):
                await delivery.requeue()
        replayed = await take(deliveries, 2)
        assert sorted(numbers(replayed)) == ["message-0", "message-1"]
        for delivery in replayed:
            await delivery.ack()
    assert await dead(broker, 0) == []


async def test_one_dead_letter_is_replayed_or_discarded_by_its_id(broker: Broker) -> None:
    await rejected(broker, 3)
    ids = [each.message.message_id for each in await dead(broker, 3)]
    assert None not in ids
    assert await broker.replay(QUEUE, message_id=ids[1]) == 1
    assert await broker.discard(QUEUE, message_id=ids[0]) == 1
    assert await broker.discard(QUEUE, message_id="none") == 0
    assert [each.message.message_id for each in await dead(broker, 1)] == [ids[2]]
    async with broker.consume(QUEUE, prefetch=1) as deliveries:
        (replayed,) = await take(deliveries, 1)
        assert replayed.message.message_id == ids[1]
        await replayed.ack()


async def test_all_dead_letters_are_discarded_a_bounded_number_at_a_time(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (memory, rabbitmq):
        monkeypatch.setattr(module, "REMOVED_AT_ONCE", 2)
    await rejected(broker, 3)
    assert await broker.discard(QUEUE) == 2
    await dead(broker, 1)
    assert await broker.discard(QUEUE) == 1
    assert await dead(broker, 0) == []


async def test_a_body_over_the_limit_is_refused_for_good_and_the_limit_named(broker: Broker) -> None:
    with pytest.raises(MessageTooLarge, match=str(MAX_BODY_BYTES)) as refused:
        await broker.publish(QUEUE, Message(b"x" * (MAX_BODY_BYTES + 1), "m-1"))
    assert not refused.value.retryable


async def test_a_cancelled_wait_leaves_no_task_and_can_be_taken_up_again(broker: Broker) -> None:
    async with broker.consume(QUEUE, prefetch=1) as deliveries:
        before = asyncio.all_tasks()
        assert await nothing_comes(deliveries)
        assert asyncio.all_tasks() == before
        await publish(broker, 1)
        assert numbers(await take(deliveries)) == {"message-0"}


async def test_a_consumer_that_is_cancelled_gives_back_and_leaves_no_task(broker: Broker) -> None:
    holding = asyncio.Event()

    async def work() -> None:
        async with broker.consume(QUEUE, prefetch=1) as deliveries:
            async for _ in deliveries:
                holding.set()

    await publish(broker, 1)
    before = asyncio.all_tasks()
    worker = asyncio.create_task(work())
    await holding.wait()
    worker.cancel()
    await asyncio.wait([worker])
    assert worker.cancelled()
    assert asyncio.all_tasks() == before
    async with broker.consume(QUEUE, prefetch=1) as deliveries:
        assert numbers(await take(deliveries)) == {"message-0"}


async def test_leaving_the_block_ends_the_iteration_for_whoever_still_waits(broker: Broker) -> None:
    async def count(deliveries: AsyncIterator[Delivery]) -> int:
        return len([delivery async for delivery in deliveries])

    async with broker.consume(QUEUE, prefetch=1) as deliveries:
        waiting = [asyncio.create_task(count(deliveries)) for _ in range(2)]
        assert await nothing_comes(deliveries)
    async with asyncio.timeout(SOON):
        assert await asyncio.gather(*waiting) == [0, 0]


async def test_a_broker_tells_what_it_is(broker: Broker) -> None:
    assert re.fullmatch(r"memory|RabbitMQ [0-9.]+\S*", await broker.version())


async def test_a_broker_at_hand_passes_its_check(broker: Broker) -> None:
    await broker.check()


async def test_a_full_queue_in_memory_takes_no_more() -> None:
    broker = MemoryBroker(capacity=2)
    await publish(broker, 2)
    with pytest.raises(BrokerError, match="full"):
        await broker.publish(QUEUE, message())


async def test_dead_letters_are_removed_after_their_time_and_not_before(broker: Broker) -> None:
    await rejected(broker, 2)
    assert await broker.remove_dead_letters(QUEUE, older_than=timedelta(hours=1)) == 0
    assert len(await dead(broker, 2)) == 2
    assert await broker.remove_dead_letters(QUEUE, older_than=timedelta(0)) == 2
    assert await dead(broker, 0) == []


async def test_a_dead_letter_that_the_broker_made_is_removed_after_its_time_too(broker: Broker) -> None:
    await publish(broker, 1)
    async with broker.consume(QUEUE, prefetch=1) as deliveries:
        for _ in range(DELIVERY_LIMIT):
            [delivery] = await take(deliveries)
            await delivery.requeue()
    await dead(broker, 1)
    assert await broker.remove_dead_letters(QUEUE, older_than=timedelta(hours=1)) == 0
    assert await broker.remove_dead_letters(QUEUE, older_than=timedelta(0)) == 1


async def test_one_call_removes_a_bounded_number_of_dead_letters(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for adapter in (memory, rabbitmq):
        monkeypatch.setattr(adapter, "REMOVED_AT_ONCE", 2)
    await rejected(broker, 3)
    assert [await broker.remove_dead_letters(QUEUE, older_than=timedelta(0)) for _ in range(2)] == [2, 1]


async def test_a_dead_letter_is_kept_as_the_one_who_rejects_it_says(broker: Broker) -> None:
    await publish(broker, 1)
    masked = Message(b"*****", "message-0", "request-0")
    async with broker.consume(QUEUE, prefetch=1) as deliveries:
        [delivery] = await take(deliveries)
        await delivery.reject("secret", kept=masked)
    assert await dead(broker, 1) == [DeadLetter(masked, QUEUE, "secret")]
