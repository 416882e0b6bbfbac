"""Reads an archive: bytes from any source, events out."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol

from shared.archive.budget import Budget
from shared.archive.events import ArchiveEvent
from shared.archive.limits import Limits
from shared.archive.reader import ArchiveReader
from shared.jobs.progress import Progress
from shared.restore.event_loop import EventLoopYielder

_SLICE = 16 * 1024
"""Bytes of the archive that are read at a time.

They may inflate to a thousand times as many without a single event, and so without a yield.
"""


class Readable(Protocol):
    """Bytes of an archive that can be read once."""

    def chunks(self) -> AsyncGenerator[bytes, None]:
        """Give the bytes, at most 256 KiB at a time. Raises StorageError, RemoteError and RemoteTooLarge."""
        ...


async def archive_events(
    source: Readable, limits: Limits, *, budget: Budget, progress: Progress, yielder: EventLoopYielder
) -> AsyncGenerator[ArchiveEvent, None]:
    """Give the events of an archive, and count its bytes, which earn ``budget``.

    Raises ArchiveError and what the source raises.
    """
    reader = ArchiveReader(limits, budget)
    async with aclosing(source.chunks()) as chunks:
        async for chunk in chunks:
            for start in range(0, len(chunk), _SLICE):
                for event in reader.feed(chunk[start : start + _SLICE]):
                    yield event
                await yielder.yield_if_due()
            progress.bytes_done += len(chunk)
    for event in reader.close():
        yield event
