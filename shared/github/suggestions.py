"""Blocks of GitHub's Markdown that suggest a change, which GitLab writes with the range of lines in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from shared.gitlab.activity_records import SuggestionRecord

_OPENING = re.compile(r"^ {0,3}(```suggestion)\b[^\n]*$", re.MULTILINE)
_RANGED = re.compile(r"^```suggestion:-\d+\+0\n", re.MULTILINE)
_CLOSING = re.compile(r"^ {0,3}```[ \t]*$", re.MULTILINE)


def has_suggestion(body: str) -> bool:
    """Tell whether a comment suggests a change."""
    return _OPENING.search(body) is not None


def with_ranges(body: str, *, lines_above: int) -> str:
    """Say in each block that it replaces the commented line and as many above it."""
    return _OPENING.sub(rf"\1:-{lines_above}+0", body.replace("\r\n", "\n"))


def suggestion_records(body: str, replaced: Sequence[str], *, lines_above: int) -> Iterator[SuggestionRecord]:
    """Give the suggestions of a body with ranges; ``replaced`` are the lines in question, without ends."""
    before = "".join(f"{line}\n" for line in replaced)
    for order, after in enumerate(_blocks(body)):
        yield SuggestionRecord(
            relative_order=order, from_content=before, to_content=after, lines_above=lines_above
        )


def _blocks(body: str) -> Iterator[str]:
    """Give what is in each block; linear, however many are not closed."""
    opening = _RANGED.search(body)
    while opening and (closing := _CLOSING.search(body, opening.end())):
        yield body[opening.end() : closing.start()]
        opening = _RANGED.search(body, closing.end())
