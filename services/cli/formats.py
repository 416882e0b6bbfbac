"""Numbers and times as people read them, alike in all commands."""

from __future__ import annotations

from datetime import UTC, datetime

_NO_EXPORT = "(VERSION is missing)"


def moment(time: datetime | None) -> str:
    """Return a time to the second and in UTC, which its end says; ``-`` where there is none."""
    return "-" if time is None else f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


def explained(error: str) -> str:
    """Return why a job failed. What GitLab says of any file but an export sounds like a fault of its disk."""
    return f"{error}: the file is no export of a GitLab project" if _NO_EXPORT in error else error


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with what it counts: ``1 line``, ``2 lines``, or with another ``plural``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
