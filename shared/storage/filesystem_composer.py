"""Writes one file from bytes and from ranges of other files, which the kernel copies."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from functools import partial
from io import FileIO
from pathlib import Path

from shared.errors import ObjectMissing
from shared.storage.base import bytes_in_range, check_key
from shared.storage.composition import ObjectRange, Piece, evenly, length_of
from shared.storage.errors import OperationFailed
from shared.storage.filesystem_writer import FilesystemWriter

ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
"""The errors of a path that leads to no file."""

_STEP = 256 * 1024 * 1024
_HELD = 1024 * 1024
_PIECES = 256
"""Bytes of ranges, other bytes, and pieces for which a step on a thread is taken.

A step copies less than twice as many bytes, and who is cancelled waits for its end.
"""

_READ = 1024 * 1024
"""Bytes that are read and written at a time where the kernel does not copy between these files."""

_REFUSALS = {errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
"""What the kernel answers where it cannot copy between two files: copy_file_range(2)."""


class FilesystemComposer(FilesystemWriter):
    """A writer that also copies. ``sent`` counts the bytes that went through this process.

    Its checksums are of the bytes alone that were written.
    """

    def __init__(self, key: str, *, root: Path, incoming: Path) -> None:
        super().__init__(key, root=root, incoming=incoming)
        self._waiting: list[Piece] = []
        self._held = self._wanted = 0
        self._source: tuple[str, FileIO] | None = None  # which was copied from last
        self._can_copy = True
        self.sent = 0

    async def append(self, piece: Piece) -> None:
        """Append bytes, or a range of another object. Raises ObjectMissing, RangeOutside and StorageError.

        Pieces are gathered, as a step on a thread costs more than to copy a small one.
        """
        if not length_of(piece):
            return
        for part in [piece] if isinstance(piece, bytes) else evenly(piece, _STEP):
            if isinstance(part, ObjectRange):
                check_key(part.key)
                self._wanted += part.length
            else:
                self._held += len(part)
            self._waiting.append(part)
            if self._held >= _HELD or self._wanted >= _STEP or len(self._waiting) >= _PIECES:
                await self._compose()

    async def commit(self) -> int:
        """See ObjectWriter."""
        await self._compose()
        return await super().commit()

    async def _compose(self) -> None:
        self._check_open()
        pieces, self._waiting = self._waiting, []
        self._held = self._wanted = 0
        await self._step("compose", partial(self._write_pieces, pieces))

    def _write_pieces(self, pieces: Iterable[Piece]) -> None:
        for piece in pieces:
            if isinstance(piece, ObjectRange):
                self._copy(piece)
            else:
                self._buffer += piece
                self.sent += len(piece)
        self._flush()

    def _copy(self, source: ObjectRange) -> None:
        file, target = self._open_source(source.key), self._flush()
        size = os.fstat(file.fileno()).st_size
        left = bytes_in_range(source.key, start=source.position, length=source.length, size=size)
        file.seek(source.position)
        while left:
            copied = self._copy_by_kernel(file, target, left) or self._copy_by_hand(file, target, left)
            if not copied:
                raise OperationFailed("compose", source.key, reason=f"its last {left} bytes are gone")
            self._size += copied
            left -= copied

    def _open_source(self, key: str) -> FileIO:
        if self._source is None or self._source[0] != key:
            self._close_source()
            self._source = key, open_object(self._root / key, key)
        return self._source[1]

    def _close_source(self) -> None:
        if self._source is not None:
            self._source[1].close()
            self._source = None

    def _copy_by_kernel(self, file: FileIO, target: FileIO, most: int) -> int:
        """Give how many bytes were copied; 0 where the kernel does not copy between these files."""
        if not self._can_copy:
            return 0
        try:
            return os.copy_file_range(file.fileno(), target.fileno(), most)
        except OSError as error:
            if error.errno not in _REFUSALS:
                raise
            self._can_copy = False
            return 0

    def _copy_by_hand(self, file: FileIO, target: FileIO, most: int) -> int:
        data = memoryview(file.read(min(most, _READ)))
        self.sent += len(data)
        written = 0
        while written < len(data):
            written += target.write(data[written:])
        return written

    def _publish(self) -> None:
        self._close_source()
        super()._publish()

    def _discard(self) -> None:
        self._close_source()
        super()._discard()


def open_object(path: Path, key: str) -> FileIO:
    """Open the file of an object. Raises ObjectMissing."""
    try:
        return path.open("rb", buffering=0)
    except ABSENT:
        raise ObjectMissing(key) from None
