"""Receives commands from the broker, replies to each, and dead-letters those that it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TypeVar

import stamina
import structlog
from structlog.contextvars import bound_contextvars

from services.api.http.status import status_of
from services.api.queue import replies
from services.api.queue.command_service import COMMANDS as KEYS
from services.api.queue.command_service import CommandService, read_event
from services.api.queue.errors import reason_of
from services.api.queue.masking import without_secrets
from services.api.queue.metrics import CommandEnd, CommandMetrics, ReplyEnd
from services.api.queue.reply_queues import ReplyQueues
from shared.broker.base import COMMANDS, MAX_REASON_CHARACTERS, Broker, Delivery, Message
from shared.database.outages import is_temporary
from shared.errors import BrokerError, CrossdockError, InternalError, Refusal
from shared.events.cloud_events import CloudEvent
from shared.logs import describe

INBOX = COMMANDS

_AT_ONCE = 4
_PATIENCE = timedelta(minutes=10)
"""How long a command waits here for an unavailable database; RabbitMQ's timeout is half an hour."""
_AGAIN = timedelta(seconds=5)
_log = structlog.get_logger()
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Verdict:
    """The reply, and the reason of a refusal or None."""

    reply: CloudEvent
    reason: str | None


class CommandConsumer:
    """Consumes commands until it is cancelled, four at a time. ``source`` names the service in replies.

    The reply is sent before the acknowledgement. An interrupted command is delivered again, and the log of
    commands prevents a second execution.

    A command is executed also where its reply may not be sent: what it may do depends on who sends it, and
    its job and its events tell of the outcome as well.
    """

    def __init__(
        self,
        broker: Broker,
        service: CommandService,
        *,
        source: str,
        reply_queues: ReplyQueues,
        metrics: CommandMetrics | None = None,
    ) -> None:
        self._broker = broker
        self._service = service
        self._source = source
        self._reply_queues = reply_queues
        self._metrics = metrics or CommandMetrics()

    async def run(self) -> None:
        """Consume until cancelled. While the broker is unavailable, only commands wait; the rest works on."""
        while True:
            try:
                async with self._broker.listen(INBOX, tuple(KEYS), prefetch=_AT_ONCE) as deliveries:
                    await self._consume(deliveries)
            except* BrokerError as errors:
                _log.warning("commands_unavailable", error=str(errors.exceptions[0]))
            await asyncio.sleep(_AGAIN.total_seconds())

    async def _consume(self, deliveries: AsyncIterator[Delivery]) -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_AT_ONCE):
                tasks.create_task(self._take_from(deliveries))

    async def _take_from(self, deliveries: AsyncIterator[Delivery]) -> None:
        async for delivery in deliveries:
            with bound_contextvars(correlation_id=delivery.message.correlation_id):
                await self._take(delivery)

    async def _take(self, delivery: Delivery) -> None:
        """Execute the command and reply. Each step is retried alone while something is unavailable."""
        try:
            event, verdict = await _retry_outages(partial(self._verdict, delivery.message))
            await _retry_outages(partial(self._settle, delivery, event, verdict))
        except Exception as error:  # noqa: BLE001  # one message must not block the others
            if is_temporary(error):
                _log.warning("command_given_back", error=describe(error))
                await delivery.requeue()
                self._metrics.count_end(CommandEnd.GIVEN_BACK)
            else:
                _log.exception("command_failed")
                await self._reject(delivery, f"500 {type(error).__name__}")

    async def _settle(self, delivery: Delivery, event: CloudEvent | None, verdict: _Verdict) -> None:
        await self._answer(delivery.message, event, verdict.reply)
        if verdict.reason is None:
            _log.info("command_accepted", type=verdict.reply.type)
            await delivery.ack()
            self._metrics.count_end(CommandEnd.ACCEPTED)
        else:
            _log.warning("command_refused", reason=verdict.reason, code=verdict.reply.data["code"])
            await self._reject(delivery, verdict.reason)

    async def _reject(self, delivery: Delivery, reason: str) -> None:
        await delivery.reject(reason, kept=without_secrets(delivery.message))
        self._metrics.count_end(CommandEnd.REFUSED)

    async def _verdict(self, message: Message) -> tuple[CloudEvent | None, _Verdict]:
        event = None
        try:
            event = read_event(message)
            answer = await self._service.execute(event, message)
        except Refusal as error:
            return event, self._refuse(event, error)
        except Exception as error:
            if is_temporary(error):
                raise
            _log.exception("command_failed")
            return event, self._refuse(event, InternalError())
        return event, _Verdict(replies.make_acceptance(event, answer, source=self._source), None)

    def _refuse(self, event: CloudEvent | None, error: CrossdockError) -> _Verdict:
        status, sentence = status_of(error).value, reason_of(error)
        reason = f"{status} {sentence.removeprefix(f'{status} ')}"[:MAX_REASON_CHARACTERS]
        return _Verdict(replies.make_refusal(event, error, source=self._source), reason)

    async def _answer(self, message: Message, event: CloudEvent | None, reply: CloudEvent) -> None:
        """Send the reply if the message requests one. Log and count it where that is not possible."""
        queue = message.reply_to
        if not queue:
            return
        end = await self._send_reply(queue, replies.to_reply(reply, message, event))
        if end is not ReplyEnd.SENT:
            _log.warning("reply_not_sent", reason=end.value, reply_to=queue, sender=message.user_id)
        self._metrics.count_reply(end)

    async def _send_reply(self, queue: str, reply: Message) -> ReplyEnd:
        if not (self._reply_queues.allows(queue) or await self._broker.is_exclusive(queue)):
            return ReplyEnd.FORBIDDEN
        return ReplyEnd.SENT if await self._broker.answer(queue, reply) else ReplyEnd.GONE


async def _retry_outages(step: Callable[[], Awaitable[_T]]) -> _T:
    """Run a step, and retry it while the error is temporary."""
    async for attempt in stamina.retry_context(on=is_temporary, attempts=None, timeout=_PATIENCE):
        with attempt:
            return await step()
    raise AssertionError  # the last attempt returns or raises
