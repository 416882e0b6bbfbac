"""Says in texts by whom they are, where an export with a map leaves their author unmapped.

A GitLab that imports such a record gives it to whoever imports. The line is the one that GitLab's importers
of other origins wrote: into issues, merge requests and comments on them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypedDict

import msgspec
from msgspec import Raw

from shared.gitlab.record_json import escaped
from shared.people.decoding import is_built

RELATIONS = ("issues", "merge_requests")
"""The relations whose records, and whose notes, get lines."""

_BYLINE = "*Created by: "
_LONGEST_TEXT = 1_000_000
"""Characters of a text that may get longer; GitLab takes 48 Ki more."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_NOTHING = Raw(b"null")


class _Note(TypedDict, total=False):
    author_id: int | None
    system: bool | None


class _Record(TypedDict, total=False):
    author_id: int | None
    notes: list[_Note] | None


def byline(name: str) -> str:
    """Give the line for an author. A name that would notify somebody, or end the line, is made harmless."""
    return f"{_BYLINE}{_UNPRINTABLE.sub(' ', name).replace('@', '')}*\n\n"


class BylineWriter:
    """Writes lines into records; ``unmapped`` are the names of authors who are nobody, by their ids."""

    def __init__(self, unmapped: Mapping[int, str]) -> None:
        self._unmapped = unmapped
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_Record)

    def rewrite(self, line: bytes) -> bytes:
        """Give a record with lines where they belong; one without any as it is, byte for byte."""
        if not is_built(line):
            return line
        try:
            record = self._decoder.decode(line)
            if not self._concerns(record):
                return line
            return self._rewritten(line)
        except (msgspec.DecodeError, RecursionError, OverflowError):
            return line

    def _concerns(self, record: _Record) -> bool:
        return record.get("author_id") in self._unmapped or any(
            note.get("author_id") in self._unmapped and not note.get("system")
            for note in record.get("notes") or ()
        )

    def _rewritten(self, line: bytes) -> bytes:
        record = msgspec.json.decode(line, type=dict[str, Raw])
        changed = self._write(record, "description")
        notes = msgspec.json.decode(record.get("notes", _NOTHING), type=list[dict[str, Raw]] | None)
        if sum(self._write(note, "note") for note in notes or ()):
            record["notes"] = Raw(msgspec.json.encode(notes))
            changed = True
        return msgspec.json.encode(record) + (b"\n" if line.endswith(b"\n") else b"") if changed else line

    def _write(self, record: dict[str, Raw], text: str) -> bool:
        """Write a line into the text of a record; give whether it got one."""
        number = msgspec.json.decode(record.get("author_id", _NOTHING), type=int | None)
        name = None if number is None else self._unmapped.get(number)
        if name is None or record.get("system") == Raw(b"true"):
            return False
        found = msgspec.json.decode(record.get(text, _NOTHING), type=str | None)
        # An empty text stays empty. One that has a line got it by an import from elsewhere.
        if not found or len(found) > _LONGEST_TEXT or found.startswith(_BYLINE):
            return False
        record[text] = Raw(escaped(byline(name) + found))
        return True
