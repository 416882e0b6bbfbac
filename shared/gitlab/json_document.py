"""JSON documents of an archive that are parsed in memory.

Not only their bytes are bounded, but also what is built of them: Python could make gigabytes of 50 MiB.
"""

from __future__ import annotations

from codecs import getincrementaldecoder
from typing import TypeVar

import msgspec

from shared.errors import ArchiveError

DOCUMENT_LIMIT = 50 * 1024 * 1024
"""Bytes of a document, as in GitLab."""

_T = TypeVar("_T")


class InvalidDocument(ArchiveError):
    """A JSON document of the archive cannot be parsed (GitLab's text, and where)."""

    code = "invalid_document"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"Incorrect JSON format ({name}: {reason})")


class JsonDocument:
    """A small file that is held whole. Raises InvalidDocument over 50 MiB, and where it is not UTF-8."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.data = bytearray()
        self._utf8 = getincrementaldecoder("utf-8")()

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises InvalidDocument."""
        self.data += data
        if len(self.data) > DOCUMENT_LIMIT:
            raise InvalidDocument(self.name, f"over the limit of {DOCUMENT_LIMIT} bytes")
        try:
            self._utf8.decode(data)
        except UnicodeDecodeError as error:
            raise InvalidDocument(self.name, "invalid UTF-8") from error

    def close(self, into: type[_T]) -> _T:
        """Parse the whole document as JSON. Raises InvalidDocument."""
        try:
            return msgspec.json.decode(self.data, type=into)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise InvalidDocument(self.name, str(error)) from error
