"""Reads a command from a message, checks the sender's permission, and executes it once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol
from uuid import uuid4

from structlog.contextvars import bind_contextvars

from services.api.http.errors import BodyTooLarge, ParametersInvalid
from services.api.http.responses import is_safe_id
from services.api.queue import command_log
from services.api.queue.actors import Actors
from services.api.queue.models import Command, CommandResult, Effect, make_result
from shared.broker.base import MAX_BODY_BYTES, Message
from shared.database.pool import Pool
from shared.events.cloud_events import CloudEvent, NoCloudEvent, name_of, read
from shared.jobs.models import Job
from shared.tracing.base import SpanKind, Tracer
from shared.tracing.context import continue_trace, current_traceparent, valid_traceparent
from shared.usecases.job_origin import JobOrigin
from shared.usecases.job_queue import JobQueue

COMMANDS = ("import.requested", "export.requested", "job.cancel")
_SPAN = {"messaging.system": "rabbitmq", "messaging.destination.name": "commands"}


class CommandHandler(Protocol):
    """Checks commands of one type, in the order in which the HTTP request is checked."""

    async def check(self, command: Command) -> Effect:
        """Return the effect of the command, which is still to be applied. Raises a Refusal."""


def read_event(message: Message) -> CloudEvent:
    """Read the CloudEvent of a message. Raises BodyTooLarge and ParametersInvalid."""
    if len(message.body) > MAX_BODY_BYTES:
        raise BodyTooLarge(MAX_BODY_BYTES, what="a command")
    try:
        return read(message)
    except NoCloudEvent as error:
        raise ParametersInvalid(f"not a CloudEvent: {error}") from None


class CommandService:
    """Executes commands. ``actors`` decides for which users a sender may send them."""

    def __init__(
        self,
        pool: Pool,
        handlers: Mapping[str, CommandHandler],
        *,
        actors: Actors,
        queue: JobQueue,
        tracer: Tracer,
    ) -> None:
        self._pool = pool
        self._handlers = handlers
        self._actors = actors
        self._queue = queue
        self._tracer = tracer

    async def execute(self, event: CloudEvent, message: Message) -> CommandResult:
        """Execute a command, unless it was executed before, and return its result. Raises a Refusal.

        The command continues its sender's trace, and its job continues the trace of the command.
        """
        given = valid_traceparent(event.extensions.get("traceparent"))
        with (
            self._tracer.span("process commands", SpanKind.CONSUMER, attributes=_SPAN, parent=given),
            continue_trace(self._tracer.traceparent() or given),
        ):
            command = await self._command(event, message)
            return await command_log.find(self._pool, command) or await self._execute(command)

    async def _command(self, event: CloudEvent, message: Message) -> Command:
        actor = await self._actors.find(self._pool, event.extensions.get("actor"), sender=message.user_id)
        origin = _origin(event, message)
        bind_contextvars(correlation_id=origin.correlation_id)
        return Command(event=event, sender=message.user_id or "", actor=actor, origin=origin)

    async def _execute(self, command: Command) -> CommandResult:
        handler = self._handlers.get(name_of(command.event.type) or "")
        if handler is None:
            raise ParametersInvalid(f"type {command.event.type} is none of {', '.join(COMMANDS)}")
        effect = await handler.check(command)
        result, job = await self._once(command, effect)
        if job is not None:
            self._queue.announce(job)
        return result

    async def _once(self, command: Command, effect: Effect) -> tuple[CommandResult, Job | None]:
        """Apply the effect and record the result in one transaction.

        The job is None if the same command was executed by another consumer in the meantime.
        """
        async with self._pool.acquire() as db:
            async with db.transaction():
                if await command_log.begin(db, command):
                    scheduled = await effect(db)
                    result = make_result(scheduled)
                    await command_log.end(db, command, result)
                    return result, scheduled.job
            known = await command_log.find(db, command)
        assert known is not None  # noqa: S101  # ``begin`` found it, and it is kept for hours
        return known, None


def _origin(event: CloudEvent, message: Message) -> JobOrigin:
    given = (message.correlation_id, message.message_id, event.id)
    return JobOrigin(
        correlation_id=next(filter(is_safe_id, filter(None, given)), uuid4().hex),
        traceparent=current_traceparent(),
    )
