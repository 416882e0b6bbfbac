"""A file that can be downloaded whole or in part, and its attributes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

RangeReader = Callable[[int, int], AsyncGenerator[bytes, None]]
"""Gives ``length`` bytes from ``start`` on; called with ``(start, length)``."""

Presign = Callable[[str, Mapping[str, str]], Awaitable[str | None]]
"""Gives an address of the file in the store, or None; called with the method and the answer's headers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDownload:
    """A file of ``size`` bytes; ``etag`` has its quotes, ``sha256`` is of the whole file where known.

    It is read here, or elsewhere by the address that ``presign`` gives, if there is one.
    """

    file_name: str
    size: int
    etag: str
    modified_at: datetime
    read: RangeReader
    sha256: bytes | None = None
    presign: Presign | None = None
