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
_LONGEST_PREAMBLE = 64 * 1024

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
    """Yields the events of one chunk. Those of a body are the same wherever it is cut, not so the parser's.

    It holds, and limits, the bytes before the first boundary.
    """

    def __init__(self, parser: PushMultipartParser) -> None:
        self._parser = parser
        self._boundary = b"--" + parser.boundary
        self._preamble: bytearray | None = bytearray()

    def __call__(self, chunk: bytes) -> Iterator[FormEvent]:
        if body := self._from_boundary(chunk):
            for event in self._parser.parse(body):
                if isinstance(event, MultipartSegment):
                    _check_lines(event)
                yield event

    def _from_boundary(self, chunk: bytes) -> bytes:
        """Return the chunk, after what was held; nothing before the first boundary has come."""
        if self._preamble is None:
            return chunk
        known = max(0, len(self._preamble) - len(self._boundary))
        self._preamble += chunk
        if self._preamble.find(self._boundary, known) < 0:
            if len(self._preamble) > _LONGEST_PREAMBLE:
                raise ParametersInvalid(
                    f"multipart body is broken: no part in its first {len(self._preamble)} bytes"
                )
            return b""
        body, self._preamble = bytes(self._preamble), None
        return body


def _check_lines(part: MultipartSegment) -> None:
    """Refuse a header with a bare line feed: the parser finds only those that the network cuts off."""
    if any("\n" in name or "\n" in value for name, value in part.headerlist):
        raise ParametersInvalid("multipart body is broken: Invalid line break in segment header")


def file_name(part: MultipartSegment) -> str | None:
    """Return a part's file name; None for a field. ``filename*`` wins (RFC 5987), as in GitLab's proxy."""
    extended = _EXTENDED.search(part.header("Content-Disposition", ""))
    if extended is None:
        return None if part.filename is None else str(part.filename)
    encoding = "latin-1" if extended[1].lower() == "iso-8859-1" else "utf-8"
    return unquote_to_bytes(extended[2]).decode(encoding, "replace")


class FieldCollector:
    """Collects the text fields of a form, and skips parts with a file name.

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
                self._name = event.name if file_name(event) is None else None
            case None:
                self._end()
            case chunk if self._name not in (None, self._unread):
                self._add(chunk)

    def _add(self, chunk: bytes | bytearray) -> None:
        self._value += chunk
        self._total += len(chunk)
        if len(self._value) > LARGEST_FIELD:
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
