"""Objects as files below one directory, for a single machine or a shared POSIX filesystem.

``root/<key>`` is a committed object; ``root/.incoming`` holds what is being written, and no key can
name it. Both lie on one filesystem, so that a commit is one atomic rename.
"""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

from shared.errors import ObjectMissing
from shared.storage.base import Composed, ObjectInfo, bytes_in_range, check_key
from shared.storage.composition import Piece
from shared.storage.errors import DiskNearlyFull, OperationFailed
from shared.storage.filesystem_composer import ABSENT, FilesystemComposer, open_object
from shared.storage.filesystem_writer import FilesystemWriter, in_thread, incoming_prefix

CHUNK = 256 * 1024
_INCOMING = ".incoming"


class FilesystemStore:
    """ObjectStore in the directory ``root``, which is made at the first write.

    Its check fails while the disk has less than ``wanted`` bytes free; it goes on to write.
    """

    def __init__(self, root: Path, *, wanted: int = 1) -> None:
        self._root = root
        self._wanted = wanted
        self._incoming = root / _INCOMING

    def create(self, key: str) -> FilesystemWriter:
        """See ObjectStore."""
        return FilesystemWriter(check_key(key), root=self._root, incoming=self._incoming)

    async def read(
        self, key: str, *, start: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """See ObjectStore; chunks have at most 256 KiB."""
        path = self._root / check_key(key)
        with ExitStack() as stack:  # entered in the thread: a cancellation cannot lose an open file
            file = await in_thread("read", key, lambda: stack.enter_context(open_object(path, key)))
            size = os.fstat(file.fileno()).st_size
            left = bytes_in_range(key, start=start, length=length, size=size)
            file.seek(start)
            while left:
                chunk = await in_thread("read", key, partial(file.read, min(left, CHUNK)))
                if not chunk:
                    raise OperationFailed("read", key, reason=f"its last {left} bytes are gone")
                left -= len(chunk)
                yield chunk

    async def compose(self, key: str, pieces: AsyncIterator[Piece], *, size: int) -> Composed:  # noqa: ARG002  # the port's
        """See ObjectStore; the kernel copies ranges, without reading them where the filesystem can."""
        composer = FilesystemComposer(check_key(key), root=self._root, incoming=self._incoming)
        async with composer as writer:
            async for piece in pieces:
                await writer.append(piece)
            return Composed(await writer.commit(), writer.sent)

    async def stat(self, key: str) -> ObjectInfo:
        """See ObjectStore."""
        path = self._root / check_key(key)
        return ObjectInfo(key, await in_thread("stat", key, lambda: _size(path, key)))

    async def presign(self, key: str, **_: object) -> str | None:
        """See ObjectStore: nobody else can ask for files."""
        check_key(key)
        return None

    @property
    def direct(self) -> None:
        """See ObjectStore: nobody else can write files."""
        return None

    async def delete(self, keys: Iterable[str]) -> None:
        """See ObjectStore; directories that become empty go with the objects."""
        for key in keys:
            path = self._root / check_key(key)
            await in_thread("delete", key, partial(_delete, path, self._root))

    async def list(self, prefix: str = "") -> AsyncGenerator[ObjectInfo, None]:
        """See ObjectStore; holds the names of one directory a level."""
        pending: list[ObjectInfo | str] = [""]
        while pending:
            found = pending.pop()
            if isinstance(found, str):
                pending += await in_thread("list", found, partial(_children, self._root, found, prefix))
            else:
                yield found

    async def abort_uploads(self, *, older_than: timedelta) -> int:
        """See ObjectStore; the age counts from the last write."""
        last = time.time() - older_than.total_seconds()
        return await in_thread(
            "abandon", _INCOMING, lambda: _remove(self._incoming, lambda entry: entry.stat().st_mtime <= last)
        )

    async def abort_uploads_of(self, key: str) -> int:
        """See ObjectStore."""
        prefix = incoming_prefix(check_key(key))
        return await in_thread(
            "abandon", key, lambda: _remove(self._incoming, lambda entry: entry.name.startswith(prefix))
        )

    async def check(self) -> None:
        """See ObjectStore: makes a file, and deletes it. Raises DiskNearlyFull."""
        await in_thread("check", _INCOMING, lambda: _check_space(self._root, self._wanted))
        await in_thread("check", _INCOMING, lambda: _try_out(self._incoming))


def _size(path: Path, key: str) -> int:
    try:
        found = path.stat()
    except ABSENT:
        raise ObjectMissing(key) from None
    if not stat.S_ISREG(found.st_mode):
        raise ObjectMissing(key)
    return found.st_size


def _delete(path: Path, root: Path) -> None:
    with suppress(*ABSENT):
        path.unlink()
    for directory in path.relative_to(root).parents[:-1]:
        try:
            (root / directory).rmdir()
        except OSError:  # not empty, or gone already: so are those above, or they hold something
            return


def _children(root: Path, directory: str, prefix: str) -> list[ObjectInfo | str]:
    """Give the objects right below ``directory``, and directories as names that end with ``/``, last first.

    With the slash they sort among the objects as their own keys do (``a-b`` before ``a/b``).
    """
    found: dict[str, ObjectInfo | str] = {}
    with suppress(*ABSENT), os.scandir(root / directory) as entries:
        for entry in entries:
            name = directory + entry.name
            if entry.is_dir(follow_symlinks=False):
                if entry.name != _INCOMING and f"{name}/".startswith(prefix[: len(name) + 1]):
                    found[f"{name}/"] = f"{name}/"
            elif name.startswith(prefix):
                with suppress(FileNotFoundError):  # deleted meanwhile
                    found[name] = _described(name, entry.stat())
    return [found[name] for name in sorted(found, reverse=True)]


def _described(key: str, found: os.stat_result) -> ObjectInfo:
    return ObjectInfo(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))


def _remove(incoming: Path, is_wanted: Callable[[os.DirEntry[str]], bool]) -> int:
    count = 0
    with suppress(FileNotFoundError), os.scandir(incoming) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # its writer was faster
                if is_wanted(entry):
                    Path(entry).unlink()
                    count += 1
    return count


def _check_space(root: Path, wanted: int) -> None:
    there = next(each for each in (root, *root.absolute().parents) if each.exists())
    free = shutil.disk_usage(there).free
    if free < wanted:
        raise DiskNearlyFull(str(root), free=free, wanted=wanted)


def _try_out(incoming: Path) -> None:
    incoming.mkdir(parents=True, exist_ok=True)
    probe = incoming / uuid4().hex
    probe.touch(exist_ok=False)
    probe.unlink(missing_ok=True)
