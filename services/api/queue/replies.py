"""Replies to commands, which are CloudEvents."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import uuid4

import msgspec

from services.api.http.status import headers_of, status_of
from services.api.queue.errors import reason_of
from services.api.queue.models import CommandResult
from shared.broker.base import MAX_REASON_CHARACTERS, Message
from shared.errors import CrossdockError
from shared.events.cloud_events import CloudEvent, to_message, type_of


def make_acceptance(event: CloudEvent, answer: CommandResult, *, source: str) -> CloudEvent:
    """Make the reply to an accepted command: its job and project."""
    data = {"command": _describe_command(event), **msgspec.to_builtins(answer)}
    return _reply("command.accepted", data, subject=answer.project.path_with_namespace, source=source)


def make_refusal(event: CloudEvent | None, error: CrossdockError, *, source: str) -> CloudEvent:
    """Make the reply to a refused command: the status, code and sentence of the HTTP error."""
    data: dict[str, object] = {
        "command": None if event is None else _describe_command(event),
        "status": status_of(error).value,
        "code": error.code,
        "reason": reason_of(error)[:MAX_REASON_CHARACTERS],
    }
    if wait := headers_of(error).get("Retry-After"):
        data["retry_after"] = int(wait)
    return _reply("command.refused", data, subject=None, source=source)


def to_reply(reply: CloudEvent, message: Message, event: CloudEvent | None) -> Message:
    """Make the message of a reply. Its correlation id is that of the command, or else the command's id."""
    return to_message(
        reply, correlation_id=message.correlation_id or message.message_id or (event.id if event else None)
    )


def _reply(name: str, data: Mapping[str, object], *, subject: str | None, source: str) -> CloudEvent:
    return CloudEvent(id=uuid4().hex, source=source, type=type_of(name), subject=subject, data=data)


def _describe_command(event: CloudEvent) -> dict[str, str]:
    return {"id": event.id, "source": event.source, "type": event.type}
