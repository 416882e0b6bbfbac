"""Reads an archive: bytes from any source, events out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Protocol

from shared.archive.budget import Budget
from shared.archive.events import ArchiveEvent
from shared.archive.limits import Limits
from shared.archive.names import NameRules
from shared.archive.reader import ArchiveReader, Inflated
from shared.gitlab.layout import TOP_NAMES, USERS_FOLDERS
from shared.jobs.progress import Progress
from shared.pieces import gathered, read_ahead
from shared.restore.event_loop import EventLoopYielder
from shared.shielding import on_thread

NAME_RULES = NameRules(roots=TOP_NAMES, users_folders=USERS_FOLDERS)
"""What names mean in GitLab's archives."""

_GATHERED = 512 * 1024
"""Bytes of the archive that are inflated at a time, at least, where there are so many: what goes to a thread
costs some 100 us. A source gives at most 256 KiB more."""

_AT_ONCE = 512 * 1024
"""Bytes of the tar stream that one step on a thread gives, at least; at most 256 KiB more."""


class Readable(Protocol):
    """Bytes of an archive that can be read once."""

    def chunks(self) -> AsyncGenerator[bytes, None]:
        """Give the bytes, at most 256 KiB at a time. Raises StorageError, RemoteError and RemoteTooLarge."""
        ...


async def archive_events(
    source: Readable, limits: Limits, *, budget: Budget, progress: Progress, yielder: EventLoopYielder
) -> AsyncGenerator[ArchiveEvent, None]:
    """Give the events of an archive, and count its bytes, which earn ``budget``.

    The archive is read and inflated ahead, on a thread: at most 768 KiB of the tar stream and 768 KiB of the
    file wait. Raises ArchiveError and what the source raises.
    """
    reader = ArchiveReader(limits, budget, rules=NAME_RULES)
    async with (
        aclosing(source.chunks()) as chunks,
        aclosing(gathered(_counted(chunks, progress), least=_GATHERED)) as joined,
        aclosing(read_ahead(_inflated(joined, reader))) as ahead,
    ):
        async for pieces in ahead:
            for piece in pieces:
                for event in reader.read(piece):
                    yield event
                await yielder.yield_if_due()
    for event in reader.close():
        yield event


async def _counted(chunks: AsyncGenerator[bytes, None], progress: Progress) -> AsyncGenerator[bytes, None]:
    async for chunk in chunks:
        progress.bytes_done += len(chunk)
        yield chunk


async def _inflated(
    joined: AsyncGenerator[bytes, None], reader: ArchiveReader
) -> AsyncGenerator[list[Inflated], None]:
    """Inflate on threads; give the pieces of each step."""
    async for data in joined:
        steps, more = reader.inflate(data), True
        while more:
            pieces, more = await on_thread(_some, steps)
            if pieces:
                yield pieces


def _some(steps: Iterator[Inflated]) -> tuple[list[Inflated], bool]:
    """Inflate about 512 KiB, and tell whether there may be more."""
    pieces, size = [], 0
    for piece in steps:
        pieces.append(piece)
        size += len(piece.data)
        if size >= _AT_ONCE:
            return pieces, True
    return pieces, False
