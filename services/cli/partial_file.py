"""The partial file of a download: it lies beside its target, and its name identifies the content."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote

from services.cli.errors import FileUnwritable, RefusedByServer, ServerUnreachable, UsageError
from services.cli.terminal import say

_SUFFIX = ".part"
_LONGEST_NAME = 255
_DIGITS = 8
_WORD = re.compile(rf"(?:\.[A-Za-z0-9_~%-]*-[0-9a-f]{{{_DIGITS}}})?")

_KEPT_AFTER = (ServerUnreachable, RefusedByServer, asyncio.CancelledError, KeyboardInterrupt)
"""Errors that end a download while the bytes that arrived before stay valid."""


class PartialFile:
    """An open file that replaces ``target`` once it is complete.

    Its name is ``<target>.part``, and ``<target>.<validator>-<command>.part`` once ``name`` is called with a
    validator (an ETag or a date, RFC 9110, 8.8). By that name the same command finds the file again, even
    after the process was killed, and another command does not use it.
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
        """Yield every partial file of the target, of any command."""
        for path in self._target.parent.iterdir():
            word = path.name.removeprefix(self._target.name).removesuffix(_SUFFIX)
            if path.name == self._target.name + word + _SUFFIX and _WORD.fullmatch(word):
                yield path

    def _of_this_command(self) -> Iterator[Path]:
        return (path for path in self._all() if path.name.endswith(self._mark + _SUFFIX))

    @property
    def validator(self) -> str | None:
        """The validator of the content in the form of If-Range, None if unknown."""
        word = self._path.name.removeprefix(self._target.name).removesuffix(_SUFFIX)
        if not word:
            return None
        value = unquote(word[1:].removesuffix(self._mark))
        return value if " " in value else f'"{value}"'  # a date has blanks, an ETag none

    @property
    def is_begun(self) -> bool:
        """Whether the file has bytes after which a download can continue."""
        return self.validator is not None and os.fstat(self.file.fileno()).st_size > 0

    def name(self, validator: str | None) -> None:
        """Rename the file to name the content of its bytes. Without a validator ``keep`` drops them."""
        word = "" if validator is None else f".{_word(validator)}{self._mark}"
        path = self._target.with_name(self._target.name + word + _SUFFIX)
        if len(os.fsencode(path.name)) > _LONGEST_NAME:
            path = self._target.with_name(self._target.name + _SUFFIX)
        self._path = self._path.replace(path)

    def empty(self) -> None:
        """Remove all bytes."""
        self.file.truncate(0)
        self.name(None)

    def finish(self) -> None:
        """Replace the target, and remove all other partial files of it."""
        self.file.flush()
        self._path.replace(self._target)
        for path in self._all():
            path.unlink(missing_ok=True)

    def keep(self) -> None:
        """Leave the file for a later run, or remove it if no later run could use it."""
        self.file.flush()
        if not self.is_begun:
            self.drop()
            return
        say(f"Kept what arrived as {self._path}: the same command goes on with it")

    def drop(self) -> None:
        """Remove the file."""
        self._path.unlink(missing_ok=True)


def _word(validator: str) -> str:
    return quote(validator.strip('"'), safe="").replace(".", "%2E")


@contextmanager
def open_partial_file(target: Path, command: str) -> Iterator[PartialFile]:
    """Open the partial file that ``command`` left for ``target``, or a new one.

    After the block it replaces ``target``; for a link, the file that the link points to. A lost connection,
    a refusal or Ctrl-C keep the partial file, every other error removes it.
    Raises UsageError and FileUnwritable.
    """
    try:
        part = PartialFile(_replaceable(target), command)
        with part.file:
            yield from _settle(part)
    except OSError as error:
        raise FileUnwritable(error.filename or target, error) from error


def _replaceable(target: Path) -> Path:
    """Return the target, or the file that it links to. Raises UsageError if that is not a file."""
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
