"""A file that can be read whole or in part, and what is known of it before."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import datetime

Read = Callable[[int, int], AsyncGenerator[bytes, None]]
"""Gives ``length`` bytes from ``start`` on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file of ``size`` bytes; ``etag`` has its quotes, ``sha256`` is of the whole file where known."""

    file_name: str
    size: int
    etag: str
    modified_at: datetime
    read: Read
    sha256: bytes | None = None
