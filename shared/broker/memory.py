"""The broker within one process, for one machine; its messages end with it (the job table is the truth)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.broker.base import (
    DELIVERY_LIMIT,
    LIMIT_REASON,
    MAX_REASON_CHARACTERS,
    REMOVED_AT_ONCE,
    DeadLetter,
    Delivery,
    Message,
    check_size,
)
from shared.errors import BrokerError

CAPACITY = 100_000
"""Messages of one queue, dead letters included, above which it refuses more."""

Listener = Callable[[str, str, Message], None]
"""Receives a topic, a key and a message; it must neither wait nor raise."""


@dataclass(slots=True)
class _Waiting:
    """A message in its queue, and how often it was delivered."""

    message: Message
    handed_over: int = 0


@dataclass(frozen=True, slots=True)
class _Dead:
    """A dead letter, and when it became one."""

    letter: DeadLetter
    since: datetime


class _Queue:
    """One queue with its dead letters and the consumers to wake when something changes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ready: deque[_Waiting] = deque()
        self.dead: deque[_Dead] = deque()
        self.consumers: set[_Consumer] = set()

    def put(self, waiting: _Waiting) -> None:
        if waiting.handed_over < DELIVERY_LIMIT:
            self.ready.append(waiting)
            self.wake()
        else:
            self.bury(waiting, LIMIT_REASON)

    def bury(self, waiting: _Waiting, reason: str) -> None:
        self.dead.append(_Dead(DeadLetter(waiting.message, self.name, reason), datetime.now(UTC)))

    def take_dead(self, message_id: str | None, *, most: int | None = None) -> list[_Dead]:
        """Take dead letters out, of all or of this id, ``most`` at the most, the oldest first."""
        chosen = [each for each in self.dead if message_id in (None, each.letter.message.message_id)][:most]
        self.dead = deque(each for each in self.dead if each not in chosen)
        return chosen

    def wake(self) -> None:
        for consumer in self.consumers:
            consumer.awake.set()


class _Delivery:
    """One delivery; it is un-ended as long as its consumer lists it."""

    def __init__(self, consumer: _Consumer, waiting: _Waiting) -> None:
        self._consumer = consumer
        self._waiting = waiting

    @property
    def message(self) -> Message:
        return self._waiting.message

    async def ack(self) -> None:
        self._consumer.end(self)

    async def requeue(self) -> None:
        if self._consumer.end(self):
            self._consumer.queue.put(self._waiting)

    async def reject(self, reason: str, *, kept: Message | None = None) -> None:
        if self._consumer.end(self):
            buried = _Waiting(kept or self._waiting.message)
            self._consumer.queue.bury(buried, reason[:MAX_REASON_CHARACTERS])


class _Consumer:
    """The deliveries of one open block."""

    def __init__(self, queue: _Queue, *, prefetch: int) -> None:
        self.queue = queue
        self.awake = asyncio.Event()
        self._prefetch = prefetch
        self._open: dict[_Delivery, _Waiting] = {}
        queue.consumers.add(self)

    def __aiter__(self) -> AsyncIterator[Delivery]:
        return self

    async def __anext__(self) -> Delivery:
        while self in self.queue.consumers:
            if self.queue.ready and len(self._open) < self._prefetch:
                return self._take(self.queue.ready.popleft())
            self.awake.clear()
            await self.awake.wait()
        raise StopAsyncIteration

    def _take(self, waiting: _Waiting) -> Delivery:
        waiting.handed_over += 1
        delivery = _Delivery(self, waiting)
        self._open[delivery] = waiting
        return delivery

    def end(self, delivery: _Delivery) -> bool:
        """Tell whether ``delivery`` was un-ended until now, and so makes room for another."""
        self.awake.set()
        return self._open.pop(delivery, None) is not None

    def close(self) -> None:
        self.queue.consumers.remove(self)
        self.awake.set()
        while self._open:
            self.queue.put(self._open.popitem()[1])


class MemoryBroker:
    """Broker for tasks of one event loop; ``capacity`` bounds each queue."""

    def __init__(self, *, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._queues: dict[str, _Queue] = {}
        self._listeners: list[Listener] = []

    def _queue(self, name: str) -> _Queue:
        return self._queues.setdefault(name, _Queue(name))

    async def publish(self, queue: str, message: Message) -> None:
        """Put ``message`` into ``queue``. Raises BrokerError where that is full."""
        check_size(message)
        target = self._queue(queue)
        if len(target.ready) + len(target.dead) >= self._capacity:
            raise BrokerError(f"queue {queue} is full: it holds {self._capacity} messages")
        target.put(_Waiting(message))

    @asynccontextmanager
    async def consume(self, queue: str, *, prefetch: int) -> AsyncIterator[AsyncIterator[Delivery]]:
        """See Broker."""
        consumer = _Consumer(self._queue(queue), prefetch=prefetch)
        try:
            yield consumer
        finally:
            consumer.close()

    def on_emit(self, listener: Listener) -> None:
        """Call ``listener`` with every message emitted from now on: for programs that embed the services."""
        self._listeners.append(listener)

    async def open_topic(self, topic: str) -> None:
        """See Broker; a topic needs nothing here."""

    async def emit(self, topic: str, message: Message, *, key: str) -> None:
        """See Broker."""
        check_size(message)
        for listener in self._listeners:
            listener(topic, key, message)

    def listen(
        self,
        inbox: str,
        keys: Sequence[str],  # noqa: ARG002  # every key arrives
        *,
        prefetch: int,
    ) -> AbstractAsyncContextManager[AsyncIterator[Delivery]]:
        """See Broker; other code in the process sends by ``publish``."""
        return self.consume(inbox, prefetch=prefetch)

    async def answer(self, queue: str, message: Message) -> bool:
        """See Broker; a queue exists once it was consumed or published to."""
        if queue not in self._queues:
            return False
        await self.publish(queue, message)
        return True

    async def is_exclusive(self, queue: str) -> bool:  # noqa: ARG002  # no other system connects
        """See Broker; always False."""
        return False

    async def dead_letters(self, queue: str) -> AsyncIterator[DeadLetter]:
        """See Broker; the dead letters at the time of the first step."""
        for each in tuple(self._queue(queue).dead):
            yield each.letter

    async def replay(self, queue: str, *, message_id: str | None = None) -> int:
        """See Broker."""
        source = self._queue(queue)
        letters = source.take_dead(message_id)
        for each in letters:
            source.put(_Waiting(each.letter.message))
        return len(letters)

    async def discard(self, queue: str, *, message_id: str | None = None) -> int:
        """See Broker."""
        return len(self._queue(queue).take_dead(message_id, most=REMOVED_AT_ONCE))

    async def remove_dead_letters(self, queue: str, *, older_than: timedelta) -> int:
        """See Broker."""
        dead, before, count = self._queue(queue).dead, datetime.now(UTC) - older_than, 0
        while dead and dead[0].since < before and count < REMOVED_AT_ONCE:
            dead.popleft()
            count += 1
        return count

    async def version(self) -> str:
        """See Broker."""
        return "memory"

    async def check(self) -> None:
        """See Broker; memory cannot be unreachable."""
