"""Parses multipart/form-data (RFC 7578) without I/O: from bytes to bounded parts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias
from urllib.parse import unquote_to_bytes

from multipart import (
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)

from services.api.http.errors import ParametersInvalid

MULTIPART = "multipart/form-data"

LARGEST_FIELD = 64 * 1024
LARGEST_FIELDS = 1024 * 1024
MOST_PARTS = 1000
LARGE_FIELDS = frozenset({"people"})
"""Fields that may come as a file too, and be as long as all fields together."""

_LONGEST_HELD = 64 * 1024
"""Bytes of what comes before the first boundary, and of the head of a part."""

_LINE_FEED = ord("\n")
_BLANK_LINE = re.compile(rb"\n\r?\n")
_LONGEST_BLANK_LINE = 3

_EXTENDED = re.compile(r";\s*filename\*\s*=\s*([^';\s]*)'[^']*'([^;\s]+)", re.IGNORECASE)

FormEvent: TypeAlias = "MultipartSegment | bytes | bytearray | None"
"""The start of a part, bytes of its content, or None for its end."""


@contextmanager
def form_parser(content_type: str) -> Iterator[Callable[[bytes], Iterator[FormEvent]]]:
    """Yield a function that parses the next chunk of the body. The body ends with the block.

    Raises ParametersInvalid if the body is no complete form, or has more than 1000 parts.
    """
    boundary = parse_options_header(content_type)[1].get("boundary", "")
    try:
        with PushMultipartParser(boundary, max_segment_count=MOST_PARTS) as parser:
            yield _Feed(parser)
    except ParserLimitReached as error:
        raise ParametersInvalid(
            f"multipart body over a limit (at most {MOST_PARTS} parts with short headers): {error}"
        ) from None
    except (MultipartError, UnicodeError) as error:
        raise ParametersInvalid(f"multipart body is broken: {error.args[0]}") from None


class _Feed:
    """Yields the events of one chunk.

    Content does not pass through the parser, which would search and copy it once more, unless the part says
    how long it is: the parser checks that.
    """

    def __init__(self, parser: PushMultipartParser) -> None:
        self._parser = parser
        self._framing = _Framing(parser.boundary)
        self._is_measured = False

    def __call__(self, chunk: bytes) -> Iterator[FormEvent]:
        for piece in self._framing(chunk):
            if self._framing.is_content and not self._is_measured:
                yield piece
            else:
                yield from self._parse(piece)

    def _parse(self, piece: bytes) -> Iterator[FormEvent]:
        for event in self._parser.parse(piece):
            if isinstance(event, MultipartSegment):
                self._is_measured = event.header("Content-Length") is not None
            yield event


class _Framing:
    """Cuts a form for the parser, which judges the lines of a head by where the network has cut them.

    A head comes in one piece, and its lines end with CR LF. In the form they may end with a bare LF, as in
    the parser of Go, which is GitLab's. What ends the first boundary's line is what stands before all others,
    and what ends theirs; within a head it does not matter.
    ``is_content`` tells of the last piece whether it is content, and no boundary or head.
    """

    def __init__(self, boundary: bytes) -> None:
        self._boundary = b"--" + boundary
        self._delimiter = b""
        self._held = b""
        self._searched = 0
        self._next = self._skip_preamble
        self.is_content = False

    def __call__(self, chunk: bytes) -> Iterator[bytes]:
        self._held = self._held + chunk if self._held else chunk
        while piece := self._next():
            yield piece

    def _skip_preamble(self) -> bytes:
        start = self._held.find(self._boundary, self._searched, _LONGEST_HELD)
        if start < 0:
            return self._wait("no part", overlap=len(self._boundary))
        if start > 0 and self._held[start - 1] != _LINE_FEED:
            raise ParametersInvalid("multipart body is broken: the first boundary begins no line")
        self._take(start + len(self._boundary), self._read_head)
        return self._boundary

    def _read_head(self) -> bytes:
        """Return what stands between a boundary and the content of its part, or the end of the form."""
        if self._held.startswith(b"--"):
            return self._take(2, self._skip_rest)
        end = _BLANK_LINE.search(self._held, self._searched, _LONGEST_HELD)
        if end is None:
            return self._wait("a head of a part does not end", overlap=_LONGEST_BLANK_LINE)
        head = self._take(end.end(), self._read_content)
        line_end = b"\n" if head.startswith(b"\n") else b"\r\n"
        self._delimiter = self._delimiter or line_end + self._boundary
        if not self._delimiter.startswith(line_end):
            raise ParametersInvalid("multipart body is broken: the line of a boundary ends as no other does")
        return b"\r\n".join(line.removesuffix(b"\r") for line in head.split(b"\n"))

    def _read_content(self) -> bytes:
        end = self._held.find(self._delimiter)
        if end == 0:
            return self._end_content()
        length, following = end, self._end_content
        if end < 0:
            length, following = _length_without_start(self._held, self._delimiter), self._read_content
        content = self._take(length, following)
        self.is_content = True
        return content

    def _end_content(self) -> bytes:
        self._take(len(self._delimiter), self._read_head)
        return b"\r\n" + self._boundary

    def _skip_rest(self) -> bytes:
        self._held = b""
        return b""

    def _take(self, length: int, following: Callable[[], bytes]) -> bytes:
        taken, self._held = self._held[:length], self._held[length:]
        self._searched, self._next, self.is_content = 0, following, False
        return taken

    def _wait(self, missing: str, *, overlap: int) -> bytes:
        if len(self._held) >= _LONGEST_HELD:
            raise ParametersInvalid(f"multipart body is broken: {missing} in its first {_LONGEST_HELD} bytes")
        self._searched = max(0, len(self._held) - overlap)
        return b""


def _length_without_start(content: bytes, delimiter: bytes) -> int:
    """Return the length of the content without what may be the start of a delimiter at its end."""
    start = content.rfind(delimiter[:1], max(0, len(content) - len(delimiter)))
    return start if start >= 0 and delimiter.startswith(content[start:]) else len(content)


def file_name(part: MultipartSegment) -> str | None:
    """Return a part's file name; None for a field. ``filename*`` wins (RFC 5987), as in GitLab's proxy."""
    extended = _EXTENDED.search(part.header("Content-Disposition", ""))
    if extended is None:
        return None if part.filename is None else str(part.filename)
    encoding = "latin-1" if extended[1].lower() == "iso-8859-1" else "utf-8"
    return unquote_to_bytes(extended[2]).decode(encoding, "replace")


class FieldCollector:
    """Collects the text fields of a form, and skips other parts with a file name.

    The value of the field ``unread``, which should have been a file, is skipped as well.
    """

    def __init__(self, *, unread: str | None = None) -> None:
        self._unread = unread
        self.pairs: list[tuple[str, str]] = []
        self._name: str | None = None
        self._value = bytearray()
        self._total = 0

    def take(self, event: FormEvent) -> None:
        """Handle the next event. Raises ParametersInvalid if a field, or all of them, are too long."""
        match event:
            case MultipartSegment():
                is_field = file_name(event) is None or event.name in LARGE_FIELDS
                self._name = event.name if is_field else None
            case None:
                self._end()
            case chunk if self._name not in (None, self._unread):
                self._add(chunk)

    def _add(self, chunk: bytes | bytearray) -> None:
        self._value += chunk
        self._total += len(chunk)
        if len(self._value) > LARGEST_FIELD and self._name not in LARGE_FIELDS:
            raise ParametersInvalid(f"{self._name} is too long (at most {LARGEST_FIELD} bytes)")
        if self._total > LARGEST_FIELDS:
            raise ParametersInvalid(f"the fields are too long (at most {LARGEST_FIELDS} bytes in all)")

    def _end(self) -> None:
        if self._name is not None:
            self.pairs.append((self._name, self._text(self._name)))
        self._name = None
        self._value = bytearray()

    def _text(self, name: str) -> str:
        try:
            return self._value.decode()
        except UnicodeDecodeError:
            raise ParametersInvalid(f"{name} is invalid") from None
