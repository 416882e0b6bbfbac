"""An archive on its way from one server into another, through memory alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from services.cli.client import GitLabClient
from services.cli.download import ArchiveDownload
from services.cli.errors import CommandError
from services.cli.fleet.screen import TaskReporter
from services.cli.fleet.selection import ProjectAnswer

_WAITING = 4
"""Pieces of at most 256 KiB that wait for the slower side."""


class ArchiveChanged(CommandError):
    """The source has another archive now than the one of which the first part is on its way."""

    code = "archive_changed"


class _Pipe:
    """ArchiveSink that another task reads. Memory: 1 MiB."""

    def __init__(self) -> None:
        self.pieces = asyncio.Queue[bytes | None](_WAITING)

    async def write(self, data: bytes) -> None:
        """See ArchiveSink."""
        await self.pieces.put(data)

    async def start_over(self) -> None:
        """See ArchiveSink."""
        raise ArchiveChanged("the archive at the source has changed on its way")

    async def end(self) -> None:
        """See ArchiveSink: the reader gets its end once the bytes are known to be right."""


async def stream_archive(
    client: GitLabClient, project: ProjectAnswer, report: TaskReporter
) -> AsyncGenerator[bytes, None]:
    """Give the archive of a finished export as it is downloaded; it ends once all is known to be right.

    Lost connections are resumed. Raises DownloadCorrupted, ArchiveChanged, RefusedByServer and
    ServerUnreachable. Close it (``aclosing``) when left early.
    """
    pipe = _Pipe()

    async def fetch() -> None:
        try:
            await ArchiveDownload(pipe).run(client, project.id, lambda *done: report("copying", *done))
        except asyncio.CancelledError:  # nobody reads the pipe any more
            raise
        except BaseException:
            await pipe.pieces.put(None)
            raise
        await pipe.pieces.put(None)

    fetching = asyncio.create_task(fetch())
    try:
        while (piece := await pipe.pieces.get()) is not None:
            yield piece
        await fetching  # raises what the download ended with
    finally:
        fetching.cancel()
        await asyncio.gather(fetching, return_exceptions=True)
