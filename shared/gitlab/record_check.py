"""Checks a line of a relation: whether GitLab would import it as a record, and if not, why.

A bad line never stops an import: it is kept as a failed relation. Exception classes and messages are those
that GitLab records (ImportFailure), where it has one. The check is stricter than GitLab's parser, as RFC 8259
is: NaN, comments and raw control characters are refused.
"""

from __future__ import annotations

import re
from codecs import utf_8_decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
from msgspec import UNSET

from shared.gitlab import nesting
from shared.gitlab.record_attributes import RecordAttributes, decoder, faults, has_designs, identifiers


@dataclass(frozen=True, slots=True)
class Record:
    """The line is a record, perhaps of an issue with designs."""

    has_designs: bool = False


@dataclass(frozen=True, slots=True)
class NullLine:
    """The line is ``null``, a one-to-one relation that is absent."""


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """The line is not imported; ``external_identifiers`` identify the record, where they can be read."""

    exception_class: str
    message: str
    external_identifiers: Mapping[str, int] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """The kind of the reason, as a word that does not change."""
        return _CODES[self.exception_class]


_CODES = {
    "ActiveRecord::RecordInvalid": "invalid",
    "EncodingError": "not_utf8",
    "Gitlab::ImportExport::Error": "too_long",
    "JSON::NestingError": "too_deep",
    "JSON::ParserError": "not_json",
    "TypeError": "not_an_object",
}

Verdict = Record | NullLine | RefusedLine

_RECORD, _WITH_DESIGNS, _NULL = Record(), Record(has_designs=True), NullLine()
_ANYTHING = msgspec.json.Decoder(msgspec.Raw)
_KINDS = {"array": "an array", "bool": "a boolean", "float": "a number", "int": "a number", "str": "a string"}
_SLICE = 256 * 1024
_ENDS = (b"\n", b"\r\n")
"""What is left of a line that was cut off."""
_EXCERPT = 40

_DECODER_AT = re.compile(r"(?:JSON is malformed: )?(.*) \(byte (\d+)\)")
_DECODER_GOT = re.compile(r"got `(\w+)`")
_EMPTY_OBJECT = re.compile(rb"\s*\{\s*\}\s*")
_HALF_PAIR = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}")

_T = TypeVar("_T")


def check_line(line: bytes, *, relation: str, depth: int, shallow: bool = False) -> Verdict:
    """Check one line that is not blank, with or without its newline; ``depth`` is the limit of its nesting.

    A line is ``shallow`` where it is known not to exceed that.

    Only the attributes that GitLab validates are built, so that a line needs no second buffer. The verdict
    depends neither on the depth of the call stack nor on the Python version.
    """
    if not shallow and (nested := nesting.depth_over(line, depth)):
        return RefusedLine("JSON::NestingError", f"nesting of {nested} is over the limit {depth}")
    try:
        record = _decode(line, decoder(relation))
    except msgspec.ValidationError as error:
        return _no_object(line, error)
    except msgspec.DecodeError as error:
        return _malformed(line, error)
    return _judge(line, record, relation=relation)


def iid_of(record: bytes, *, relation: str) -> int | None:
    """Give the iid of a checked record; None where it has none."""
    return identifiers(_decode(record, decoder(relation))).get("iid")


def _judge(line: bytes, record: RecordAttributes, *, relation: str) -> Verdict:
    # The decoder does not look into the strings that it skips.
    if (at := _invalid_utf8(line)) is not None:
        return RefusedLine("EncodingError", f"invalid UTF-8 at byte {at}", identifiers(record))
    found = faults(record, relation=relation)
    # Templates of GitLab's own hold objects emptied of their attributes: nothing is imported from them.
    if found and not _EMPTY_OBJECT.fullmatch(line):
        message = f"Validation failed: {', '.join(found)}"
        return RefusedLine("ActiveRecord::RecordInvalid", message, identifiers(record))
    return _RECORD if record.designs is UNSET or not has_designs(record.designs) else _WITH_DESIGNS


def _decode(line: bytes, into: msgspec.json.Decoder[_T]) -> _T:
    """Decode a line that is known not to be too deep, wherever in the call stack this is."""
    try:
        return into.decode(line)
    except RecursionError:
        with nesting.room_to_recurse():
            return into.decode(line)


def _no_object(line: bytes, error: msgspec.ValidationError) -> Verdict:
    """Judge a line whose first byte begins no object; ``error`` says nothing of the rest of the line."""
    try:
        value = _decode(line, _ANYTHING)
    except msgspec.DecodeError as malformed:
        return _malformed(line, malformed)
    if value == msgspec.Raw(b"null"):
        return _NULL
    got = _DECODER_GOT.search(str(error))
    kind = _KINDS.get(got[1], got[1]) if got else "another value"
    return RefusedLine("TypeError", f"a record is a JSON object, not {kind}")


def _malformed(line: bytes, error: msgspec.DecodeError) -> RefusedLine:
    reason, at = _reason(line, str(error))
    excerpt = repr(line[at : at + _EXCERPT])[1:]
    return RefusedLine("JSON::ParserError", f"{reason} at byte {at}: {excerpt}")


def _reason(line: bytes, error: str) -> tuple[str, int]:
    """Give what is wrong and where: the decoder's words, corrected where they mislead."""
    if line.startswith(b"\xef\xbb\xbf"):
        return "byte order mark", 0
    found = _DECODER_AT.fullmatch(error)
    if not found:
        half_pair = _HALF_PAIR.search(line, max(0, len(line) - 14))
        return ("half a surrogate pair", half_pair.start()) if half_pair else ("unexpected end", len(line))
    reason, at = found[1], int(found[2])
    if reason == "trailing characters":
        return "a second value on the line", at - 1
    if line[at:] in _ENDS:
        return "unexpected end", at
    if at < len(line) and line[at] < ord(" "):
        return "raw control character", at
    return reason, at


def _invalid_utf8(line: bytes) -> int | None:
    """Give where ``line`` stops being UTF-8; checked in slices, as text takes up to four times the memory."""
    if line.isascii():
        return None
    view, at = memoryview(line), 0
    while at < len(line):
        try:
            _, used = utf_8_decode(view[at : at + _SLICE], "strict", at + _SLICE >= len(line))
        except UnicodeDecodeError as error:
            return at + error.start
        at += used
    return None
