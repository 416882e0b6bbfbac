"""Use case: a message is read, allowed, and carried out once."""

from __future__ import annotations

from uuid import uuid4

from structlog.contextvars import bind_contextvars

from services.api.dependencies import Dependencies
from services.api.http.errors import ParametersInvalid, TooLarge
from services.api.http.responses import is_safe_id
from services.api.origin import Origin
from services.api.queue import command_log
from services.api.queue.actors import Actors
from services.api.queue.exports import export_requested
from services.api.queue.imports import import_requested
from services.api.queue.jobs import cancel
from services.api.queue.models import Check, Command, Done, Effect, done
from shared.broker.base import MAX_BODY_BYTES, Message
from shared.events.announcement import name_of
from shared.events.cloud_events import CloudEvent, NoCloudEvent, read
from shared.jobs.models import Job
from shared.jobs.outbox import announce
from shared.settings.store import application_settings
from shared.tracing.base import SpanKind
from shared.tracing.context import accepted, continuing, current

COMMANDS: dict[str, Check] = {
    "import.requested": import_requested,
    "export.requested": export_requested,
    "job.cancel": cancel,
}
_SPAN = {"messaging.system": "rabbitmq", "messaging.destination.name": "commands"}


def read_event(message: Message) -> CloudEvent:
    """Read what was sent. Raises 400 and 413."""
    if len(message.body) > MAX_BODY_BYTES:
        raise TooLarge("a command", MAX_BODY_BYTES)
    try:
        return read(message)
    except NoCloudEvent as error:
        raise ParametersInvalid(f"not a CloudEvent: {error}") from None


class CarryingOut:
    """Carries out commands of those for whom ``actors`` says that the sender may speak."""

    def __init__(self, dependencies: Dependencies, actors: Actors) -> None:
        self._dependencies = dependencies
        self._actors = actors

    async def carry_out(self, event: CloudEvent, message: Message) -> Done:
        """Do it, unless it was done; give what came of it. Raises ApiError.

        It goes on in its sender's trace, and what it starts goes on in its own.
        """
        tracer, given = self._dependencies.tracer, accepted(event.extensions.get("traceparent"))
        with (
            tracer.span("process commands", SpanKind.CONSUMER, attributes=_SPAN, parent=given),
            continuing(tracer.traceparent() or given),
        ):
            return await self._allowed(event, message)

    async def _allowed(self, event: CloudEvent, message: Message) -> Done:
        pool = self._dependencies.pool
        actor = await self._actors.find(pool, event.extensions.get("actor"), sender=message.user_id)
        origin = self._origin(event, message)
        bind_contextvars(correlation_id=origin.correlation_id)
        command = Command(
            event=event,
            sender=message.user_id or "",
            actor=actor,
            origin=origin,
            settings=await application_settings(pool, self._dependencies.config.defaults),
        )
        return await command_log.find(pool, command) or await self._do(command)

    async def _do(self, command: Command) -> Done:
        check = COMMANDS.get(name_of(command.event.type) or "")
        if check is None:
            raise ParametersInvalid(f"type {command.event.type} is none of {', '.join(COMMANDS)}")
        effect = await check(self._dependencies, command)
        answer, job = await self._once(command, effect)
        if job is not None:
            await announce(self._dependencies.pool, self._dependencies.broker, job)
        return answer

    async def _once(self, command: Command, effect: Effect) -> tuple[Done, Job | None]:
        """Do it and note the answer in one transaction; without a job where another was quicker."""
        async with self._dependencies.pool.acquire() as db:
            async with db.transaction():
                if await command_log.begin(db, command):
                    project, job = await effect(db)
                    answer = done(project, job)
                    await command_log.end(db, command, answer)
                    return answer, job
            known = await command_log.find(db, command)
        assert known is not None  # noqa: S101  # it was there a moment ago, and is kept for hours
        return known, None

    def _origin(self, event: CloudEvent, message: Message) -> Origin:
        given = (message.correlation_id, message.message_id, event.id)
        return Origin(
            correlation_id=next(filter(is_safe_id, filter(None, given)), uuid4().hex),
            max_attempts=self._dependencies.config.job_attempts,
            traceparent=current(),
        )
