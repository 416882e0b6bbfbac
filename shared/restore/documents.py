"""The JSON documents of an archive that are held in memory to be understood.

What is built of them is bounded, not only their bytes: of 50 MiB of JSON, Python could make gigabytes.
"""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from shared.errors import ArchiveError

DOCUMENT_LIMIT = 50 * 1024 * 1024
"""Bytes of a document, as in GitLab."""

ATTRIBUTE_LIMIT = 100_000
"""Attributes of a project; GitLab writes some seventy."""

_DESCRIPTION_LIMIT = 64 * 1024
_NULL = msgspec.Raw(b"null")

# The tokens of a text that is known to be a JSON object, where every value in it is a list of repository
# types: a name stands before a list, and nothing else begins one. Some at a time, as a match lets no other
# thread run.
_TOKENS = re.compile(rb'(?:[012][\s,\]]++|null[\s,\]]++|"[^"\\]*+"\s*+:\s*+\[[\s\]]*+|[\s,\]]++){1,4096}+')
_BEGIN, _END = re.compile(rb"\s*+\{"), re.compile(rb"\}\s*+")

_T = TypeVar("_T")


class InvalidDocument(ArchiveError):
    """A JSON document of the archive cannot be read (GitLab's text, and where)."""

    code = "invalid_document"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"Incorrect JSON format ({name}: {reason})")


class Document:
    """A small file, kept whole. Raises InvalidDocument over 50 MiB, and where it is not UTF-8."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.data = bytearray()
        self._utf8 = getincrementaldecoder("utf-8")()

    def feed(self, data: bytes) -> None:
        """Keep the bytes."""
        self.data += data
        if len(self.data) > DOCUMENT_LIMIT:
            raise InvalidDocument(self.name, f"over the limit of {DOCUMENT_LIMIT} bytes")
        try:
            self._utf8.decode(data)
        except UnicodeDecodeError as error:
            raise InvalidDocument(self.name, "invalid UTF-8") from error

    def close(self, into: type[_T]) -> _T:
        """Understand all of it as JSON (which never ends within a character)."""
        try:
            return msgspec.json.decode(self.data, type=into)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise InvalidDocument(self.name, str(error)) from error


@dataclass(frozen=True, slots=True)
class ProjectAttributes:
    """What the import itself takes from tree/project.json; None where that says nothing of use."""

    description: str | None = None
    visibility_level: int | None = None


class _Taken(msgspec.Struct, frozen=True):
    description: msgspec.Raw = _NULL
    visibility_level: msgspec.Raw = _NULL


class ProjectDocument:
    """tree/project.json: one JSON object."""

    def __init__(self, name: str) -> None:
        self._document = Document(name)
        self.attributes = ProjectAttributes()

    def feed(self, data: bytes) -> None:
        """Keep the bytes."""
        self._document.feed(data)

    def close(self) -> None:
        """Understand them. Raises InvalidDocument."""
        document, self._document = self._document, Document(self._document.name)
        taken = document.close(_Taken)
        # Every attribute has its colon: an export that overrides some holds them all.
        if document.data.count(b":") > ATTRIBUTE_LIMIT:
            raise InvalidDocument(document.name, f"over the limit of {ATTRIBUTE_LIMIT} attributes")
        level = _value(taken.visibility_level, int)
        self.attributes = ProjectAttributes(
            description=_value(taken.description, str),
            visibility_level=level if level in {0, 10, 20} else None,
        )


def _value(raw: msgspec.Raw, of: type[_T]) -> _T | None:
    """Give the value where it is of that type; GitLab allows 2000 characters, no 64 KiB."""
    if len(raw) > _DESCRIPTION_LIMIT:
        return None
    try:
        return msgspec.json.decode(raw, type=of)
    except msgspec.ValidationError:
        return None


class _AnyObject(msgspec.Struct):
    pass


class LfsIndex:
    """lfs-objects.json: ``{OID: [repository types]}``. Without it, objects belong to the project itself."""

    def __init__(self, name: str) -> None:
        self._document = Document(name)

    def feed(self, data: bytes) -> None:
        """Keep the bytes. Raises InvalidDocument."""
        self._document.feed(data)

    def close(self) -> None:
        """Raise InvalidDocument where they are not such an object."""
        self._document.close(_AnyObject)
        if not _has_lists_of_types(self._document.data):
            raise InvalidDocument(self._document.name, "its values are not lists of 0, 1, 2 or null")


def _has_lists_of_types(text: bytearray) -> bool:
    match, end = _BEGIN.match(text), 0
    while match:
        end = match.end()
        match = _TOKENS.match(text, end)
    return _END.fullmatch(text, end) is not None
