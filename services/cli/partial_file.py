"""What has arrived of a download: a file beside its target, whose name says what it is a part of."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote

from services.cli.errors import JobFailed, RefusedByServer, ServerUnreachable, UsageError
from services.cli.terminal import say

_SUFFIX = ".part"
_LONGEST_NAME = 255
_DIGITS = 8
_WORD = re.compile(rf"(?:\.[A-Za-z0-9_~%-]*-[0-9a-f]{{{_DIGITS}}})?")

_KEPT_AFTER = (ServerUnreachable, RefusedByServer, asyncio.CancelledError, KeyboardInterrupt)
"""What ends a download without casting doubt on the bytes that came before."""


class PartialFile:
    """An open file that becomes ``target``.

    Once a validator (an ETag or a date, RFC 9110, 8.8) is told, its name is
    ``<target>.<validator>-<command>.part``: so the same command finds it again, and no other takes it up,
    even where the process was killed. Before that it is ``<target>.part``.
    """

    def __init__(self, target: Path, command: str) -> None:
        self._target = target
        self._mark = "-" + hashlib.sha256(command.encode()).hexdigest()[:_DIGITS]
        self._path = next(self._of_this_command(), target.with_name(target.name + _SUFFIX))
        self.file: BinaryIO = self._path.open("a+b")  # what is written goes to the end, wherever that is
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.file.close()
            raise UsageError(f"{self._path} is being written by another command") from None

    def _all(self) -> Iterator[Path]:
        """Every part of the target: between its name and the suffix is nothing, or a word as we write it."""
        for path in self._target.parent.iterdir():
            word = path.name.removeprefix(self._target.name).removesuffix(_SUFFIX)
            if path.name == self._target.name + word + _SUFFIX and _WORD.fullmatch(word):
                yield path

    def _of_this_command(self) -> Iterator[Path]:
        return (path for path in self._all() if path.name.endswith(self._mark + _SUFFIX))

    @property
    def validator(self) -> str | None:
        """What names the content that the file is a part of, as it goes into If-Range."""
        word = self._path.name.removeprefix(self._target.name).removesuffix(_SUFFIX)
        if not word:
            return None
        value = unquote(word[1:].removesuffix(self._mark))
        return value if " " in value else f'"{value}"'  # a date has blanks, an ETag none

    @property
    def is_begun(self) -> bool:
        """Whether there are bytes to go on with."""
        return self.validator is not None and os.fstat(self.file.fileno()).st_size > 0

    def name(self, validator: str | None) -> None:
        """Say of what content the bytes are that come now. Without a validator they will not be kept."""
        word = "" if validator is None else f".{_word(validator)}{self._mark}"
        path = self._target.with_name(self._target.name + word + _SUFFIX)
        if len(os.fsencode(path.name)) > _LONGEST_NAME:
            path = self._target.with_name(self._target.name + _SUFFIX)
        self._path = self._path.replace(path)

    def empty(self) -> None:
        """Forget all bytes."""
        self.file.truncate(0)
        self.name(None)

    def finish(self) -> None:
        """Take the target's place, and remove all other parts of it."""
        self.file.flush()
        self._path.replace(self._target)
        for path in self._all():
            path.unlink(missing_ok=True)

    def keep(self) -> None:
        """Leave the bytes for a later run, where there is something to leave."""
        self.file.flush()
        if not self.is_begun:
            self.drop()
            return
        say(f"Kept what arrived as {self._path}: the same command goes on with it")

    def drop(self) -> None:
        """Leave nothing."""
        self._path.unlink(missing_ok=True)


def _word(validator: str) -> str:
    return quote(validator.strip('"'), safe="").replace(".", "%2E")


@contextmanager
def open_partial_file(target: Path, command: str) -> Iterator[PartialFile]:
    """Open the part of ``target`` that ``command`` left, or a new one, which takes its place after the block.

    A link stays one: what it points to is replaced. A lost connection, a refusal or Ctrl-C leave what
    arrived, every other error leaves nothing.
    Raises UsageError and JobFailed.
    """
    try:
        part = PartialFile(_replaceable(target), command)
        with part.file:
            yield from _settle(part)
    except OSError as error:
        reason = os.strerror(error.errno or errno.EIO)
        raise JobFailed(f"cannot write {error.filename or target}: {reason}") from error


def _replaceable(target: Path) -> Path:
    """Give the file itself where the target is a link. Raises UsageError for what is no file."""
    if target.is_dir():
        raise UsageError(f"{target} is a directory: name a file")
    if target.exists() and not target.is_file():
        raise UsageError(f"{target} is no file that could be replaced: name one, or - for stdout")
    file = Path(os.path.realpath(target))
    if file.is_symlink():
        raise UsageError(f"{target} is a link that leads to itself")
    return file


def _settle(part: PartialFile) -> Iterator[PartialFile]:
    try:
        yield part
        part.finish()
    except _KEPT_AFTER:
        part.keep()
        raise
    except BaseException:
        with suppress(OSError):
            part.drop()
        raise
