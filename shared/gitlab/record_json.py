"""The JSON of GitLab's records: its escapes, and its form of times and days."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

_ESCAPES = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


def escaped(value: object) -> bytes:
    """Encode a value as GitLab does: ``<``, ``>``, ``&`` and two separators are escaped, the rest UTF-8."""
    return msgspec.json.encode(value).decode().translate(_ESCAPES).encode()


def record_line(record: msgspec.Struct) -> bytes:
    r"""Encode a record as a line of its relation, with the ``\n``."""
    return escaped(record) + b"\n"


def moment(time: datetime) -> str:
    """Write a time as GitLab does: UTC, milliseconds, ``Z``."""
    return f"{time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def day(time: datetime) -> str:
    """Write the day of a time in UTC."""
    return time.astimezone(UTC).date().isoformat()
