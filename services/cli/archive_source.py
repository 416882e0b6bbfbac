"""Where an archive is read from: a file, or a stream, which has no size and can be read once."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from services.cli.errors import UsageError

STDIN = Path("-")
"""Standard input."""

PIECE = 256 * 1024


def find_size(archive: Path) -> int | None:
    """Return the size of a file in bytes; None for a stream: standard input, a FIFO. Raises UsageError."""
    if archive == STDIN:
        if sys.stdin is None or os.isatty(0):
            raise UsageError("standard input is a terminal: an archive has to come in there")
        return None
    try:
        found = archive.stat()
    except OSError:
        raise UsageError(f"there is no file {archive}") from None
    if stat.S_ISFIFO(found.st_mode):
        return None
    if not stat.S_ISREG(found.st_mode):
        raise UsageError(f"{archive} is no file")
    return found.st_size


def read_head(archive: Path, length: int) -> bytes:
    """Return the first bytes of a file, ``length`` at most. Raises UsageError."""
    try:
        with archive.open("rb") as file:
            return file.read(length)
    except OSError as error:
        raise UsageError(f"cannot read {archive}: {error.strerror}") from None


async def read_stream(archive: Path) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of a stream as they come, at most 256 KiB at a time.

    Nothing waits on a thread: who reads can be cancelled, however long nobody writes.
    """
    # A FIFO that nobody writes to yet opens at once like that, and is not at its end.
    number = os.dup(0) if archive == STDIN else os.open(archive, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(number, "rb", buffering=0) as file:
        if stat.S_ISREG(os.fstat(number).st_mode):
            while chunk := file.read(PIECE):
                yield chunk
            return
        async with aclosing(_read_pipe(number)) as chunks:
            async for chunk in chunks:
                yield chunk


async def _read_pipe(number: int) -> AsyncGenerator[bytes, None]:
    reader = asyncio.StreamReader(limit=PIECE)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(os.dup(number), "rb", buffering=0)
    )
    try:
        while chunk := await reader.read(PIECE):
            yield chunk
    finally:
        # Other processes have the same standard input, and none of them asked for this.
        os.set_blocking(number, True)
        transport.close()
