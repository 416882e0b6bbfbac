"""The file name of an exported archive."""

from __future__ import annotations

from datetime import datetime

_SUFFIX = "_export.tar.gz"
_LONGEST = 51


def file_name(full_path: str, now: datetime) -> str:
    """Make GitLab's name: date, hour-minute-milliseconds, path with ``_`` for ``/``; cut to 51 characters."""
    time = f"{now:%Y-%m-%d_%H-%M}-{now.microsecond // 1000:03d}"
    return f"{time}_{full_path.replace('/', '_')}"[:_LONGEST] + _SUFFIX
