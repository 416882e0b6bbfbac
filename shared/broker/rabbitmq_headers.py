"""Headers of RabbitMQ's messages: those of other systems as texts, without ours and the broker's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from aio_pika.abc import AbstractIncomingMessage
from pamqp.common import FieldValue

REASON_HEADER = "x-reason"
"""Why we gave a message up."""

SENDER_HEADER = "x-sender"
"""The original sender of a message that we send again; trusted only where we are the last sender."""

_OURS = "x-"


def own_headers(headers: Mapping[str, FieldValue]) -> dict[str, str]:
    """Give the headers that the sender set: without ours, the broker's, and any tables or lists."""
    texts = {name: as_text(value) for name, value in headers.items() if not name.startswith(_OURS)}
    return {name: text for name, text in texts.items() if text is not None}


def dead_since(incoming: AbstractIncomingMessage) -> datetime | None:
    """Give when a message became a dead letter, by us or by the broker; None where nothing tells."""
    if REASON_HEADER in incoming.headers:
        return None if incoming.timestamp is None else _in_utc(incoming.timestamp)
    deaths = incoming.headers.get("x-death")
    match deaths:
        case [{"time": datetime() as time}, *_]:
            return _in_utc(time)
        case _:
            return None


def _in_utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


def as_text(value: FieldValue) -> str | None:
    """Write a value as CloudEvents does; None for a value that has no such form."""
    match value:
        case str():
            return value
        case bool():
            return str(value).lower()
        case bytes() | bytearray():
            return bytes(value).decode(errors="replace")
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case int():
            return str(value)
        case _:
            return None
