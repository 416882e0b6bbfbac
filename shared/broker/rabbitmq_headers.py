"""Headers of RabbitMQ's messages: those of other systems as texts, without ours and the broker's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from pamqp.common import FieldValue

SENDER_HEADER = "x-sender"
"""The original sender of a message that we send again; trusted only where we are the last sender."""

_OURS = "x-"


def own_headers(headers: Mapping[str, FieldValue]) -> dict[str, str]:
    """Give the headers that the sender set: without ours, the broker's, and any tables or lists."""
    texts = {name: as_text(value) for name, value in headers.items() if not name.startswith(_OURS)}
    return {name: text for name, text in texts.items() if text is not None}


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
