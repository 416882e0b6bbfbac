"""Writes one file, which is invisible until it is whole and on the disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from hashlib import sha256
from io import FileIO
from pathlib import Path
from typing import Self, TypeVar
from uuid import uuid4

import structlog

from shared.errors import StorageError
from shared.shielding import on_thread
from shared.storage.checksums import BlockChecksums
from shared.storage.errors import OperationFailed, OperationRefused, WriterClosed

T = TypeVar("T")

_BUFFER = 1024 * 1024
_PRUNED_AGAIN = 100
"""How often a commit makes its directory anew where deletions remove it at the same time."""
_FULL = {errno.ENOSPC, errno.EDQUOT}
_LASTING = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.EFBIG, errno.EEXIST,
    errno.EISDIR, errno.ENOTDIR, errno.ENOTEMPTY, errno.ENAMETOOLONG,
}  # fmt: skip

_log = structlog.get_logger()


class FilesystemWriter:
    """ObjectWriter by a file in ``incoming``; buffers up to 2 MiB between blocking calls."""

    def __init__(self, key: str, *, root: Path, incoming: Path) -> None:
        self._key = key
        self._root = root
        self._temporary = incoming / f"{incoming_prefix(key)}{uuid4().hex}"
        self._file: FileIO | None = None
        self._buffer = bytearray()
        self._size = 0
        self._checksums = BlockChecksums()
        self._open = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.abort()

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """See ObjectWriter."""
        self._check_open()
        view = memoryview(data).cast("B")
        self._checksums.update(view)
        for at in range(0, len(view), _BUFFER):
            self._buffer += view[at : at + _BUFFER]
            if len(self._buffer) >= _BUFFER:
                await self._step("write", self._flush)

    @property
    def crc32s(self) -> bytes:
        """See ObjectWriter."""
        return self._checksums.digest()

    async def commit(self) -> int:
        """See ObjectWriter."""
        self._check_open()
        await self._step("commit", self._publish)
        self._open = False
        return self._size

    async def abort(self) -> None:
        """See ObjectWriter."""
        if not self._open:
            return
        self._open = False
        try:
            await in_thread("abort", self._key, self._discard)
        except StorageError as error:
            _log.warning("abort_failed", key=self._key, error=str(error))

    def _check_open(self) -> None:
        if not self._open:
            raise WriterClosed(self._key)

    async def _step(self, operation: str, work: Callable[[], T]) -> T:
        """Run ``work`` in a thread.

        After a failure the state of the file is unknown, so the writer aborts.
        """
        try:
            return await in_thread(operation, self._key, work)
        except StorageError:
            await self.abort()
            raise

    def _flush(self) -> FileIO:
        if self._file is None:
            self._temporary.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._temporary.open("xb", buffering=0)
        data, self._buffer = memoryview(self._buffer), bytearray()
        self._size += len(data)
        while data:
            data = data[self._file.write(data) :]
        return self._file

    def _publish(self) -> None:
        file = self._flush()
        os.fsync(file.fileno())
        file.close()
        target = self._root / self._key
        _move(self._temporary, target)
        for directory in target.relative_to(self._root).parents:
            _sync(self._root / directory)

    def _discard(self) -> None:
        if self._file is not None:
            self._file.close()
            self._temporary.unlink(missing_ok=True)


def incoming_prefix(key: str) -> str:
    """Give what the names of temporary files of an object begin with: a key may be too long for one."""
    return f"{sha256(key.encode()).hexdigest()[:32]}-"


async def in_thread(operation: str, key: str, work: Callable[[], T]) -> T:
    """Run blocking ``work`` in a thread, to its end, with OSError translated."""
    try:
        return await on_thread(work)
    except OSError as error:
        raise _translate(error, operation, key) from error


def _translate(error: OSError, operation: str, key: str) -> OperationFailed:
    cause = errno.errorcode.get(error.errno or 0, "")
    kind = OperationRefused if error.errno in _LASTING else OperationFailed
    reason = "no space is left on the device" if error.errno in _FULL else error.strerror or str(error)
    return kind(operation, key, reason=reason, cause=cause)


def _move(temporary: Path, target: Path) -> None:
    for _ in range(_PRUNED_AGAIN):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(target)
        except FileNotFoundError:
            if not temporary.exists():  # abort_uploads has deleted it
                raise
        else:
            return
    raise FileNotFoundError(errno.ENOENT, "its directory is deleted again and again", str(target))


def _sync(directory: Path) -> None:
    """Make new names in ``directory`` durable; a directory that was removed meanwhile needs none."""
    try:
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
