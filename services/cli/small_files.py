"""The small files of a push, of which one request sends many: as an archive that is made while it is sent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from isal import isal_zlib

from services.cli.errors import ServerUnreachable, UsageError
from services.cli.tree import TreeFile
from shared.archive import writer as tar

SMALL = 1024 * 1024
"""The bytes of the largest file that shares a request with others."""

MOST_FILES = 1000
MOST_BYTES = 16 * 1024 * 1024
"""The most that one archive contains, as a retry sends all of it again."""

_LEVEL = 1
_GZIP = 31
"""The ``wbits`` for a gzip header and the largest window."""


def group_files(files: Iterable[TreeFile]) -> Iterator[list[TreeFile]]:
    """Yield the files in groups, one for each request: a large file alone, small ones together."""
    group: list[TreeFile] = []
    size = 0
    for file in files:
        if file.size > SMALL:
            yield [file]
            continue
        if len(group) == MOST_FILES or size + file.size > MOST_BYTES:
            yield group
            group, size = [], 0
        group.append(file)
        size += file.size
    if group:
        yield group


class FileArchive:
    """A ``.tar.gz`` of small files, for the body of one request. It holds one file at a time.

    ``read`` receives the size of every file that was read. The iteration raises OSError, and UsageError for a
    file that is not small any more.
    """

    def __init__(self, files: Sequence[TreeFile], read: Callable[[int], None]) -> None:
        self._files = files
        self._report = read
        self._deflate = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _GZIP)
        self._mtime = int(time.time())
        self._length = 0
        self._error: OSError | UsageError | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the archive in pieces: at most a file each, none of them empty."""
        for file in self._files:
            if piece := await self._add(file):
                yield piece
        yield self._deflate.compress(tar.end_of_archive(self._length)) + self._deflate.flush()

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Raise the error of a file instead of the lost connection that aiohttp makes of it."""
        try:
            yield
        except ServerUnreachable:
            if self._error is not None:
                raise self._error from None
            raise

    async def _add(self, file: TreeFile) -> bytes:
        try:
            return await asyncio.to_thread(self._encode, file)
        except (OSError, UsageError) as error:
            self._error = error
            raise

    def _encode(self, file: TreeFile) -> bytes:
        data = _read(file)
        self._report(len(data))
        header = tar.file_header(file.name, size=len(data), mtime=self._mtime)
        pieces = (header, data, tar.padding(len(data)))
        self._length += sum(map(len, pieces))
        return b"".join(map(self._deflate.compress, pieces))


def _read(file: TreeFile) -> bytes:
    with file.path.open("rb") as opened:
        data = opened.read(SMALL + 1)
    if len(data) > SMALL:
        raise UsageError(f"{file.path} has grown while it was sent")
    return data
