"""Tells what in a Markdown text is code for sure, and makes code of other parts of it.

It errs to one side: what may be code to GitLab and is not told here gets backticks too many, and shows them.
Code is only what is so in every reading: fences that begin in the first column and are closed, and spans
within a line, where no backtick before them in the paragraph is left over. Linear in the length of the text.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

_FENCE = re.compile(r"^(?P<before>[ \t>*+\-\d.)]*)(?P<mark>`{3,}|~{3,})(?P<info>[^\n]*)$", re.MULTILINE)
_MOST_INDENTED = 3
_ESCAPED = "\\`"
_RUN = re.compile(r"`+")
_LINE = re.compile(r"[^\n]*\n?")

Range = tuple[int, int]


def quote_matches(text: str, pattern: re.Pattern[str]) -> str:
    """Put what matches in backticks, in all that is not code."""
    ranges = list(code_ranges(text))
    found = [
        match.span() for start, end in _between(text, ranges) for match in pattern.finditer(text, start, end)
    ]
    if not found:
        return text
    mark = "`" * _unused_run(text, ranges)
    pieces, at = [], 0
    for start, end in found:
        before = " " if text[start - 1 : start] in {"`", "\\"} else ""
        after = " " if text[end : end + 1] == "`" else ""
        pieces += [text[at:start], before, mark, text[start:end], mark, after]
        at = end
    return "".join([*pieces, text[at:]])


def _between(text: str, ranges: Sequence[Range]) -> Iterator[Range]:
    """Give what lies between the ranges: patterns that look behind see the text before, so it is not cut."""
    starts = [0, *(end for _, end in ranges)]
    ends = [*(start for start, _ in ranges), len(text)]
    return zip(starts, ends, strict=True)


def _unused_run(text: str, ranges: Sequence[Range]) -> int:
    """Give a number of backticks that pairs with none which is left over."""
    used: set[int] = set()
    for start, end in _between(text, ranges):
        for run in _RUN.finditer(text, start, end):
            # The first of a run may be escaped, and the rest not.
            used |= {len(run[0]), len(run[0]) - 1}
    return next(length for length in range(1, len(used) + 2) if length not in used)


def code_ranges(text: str) -> Iterator[Range]:
    """Give the ranges of code, one after the other."""
    at = 0
    for start, end in _fences(text):
        yield from _spans(text, at, start)
        yield start, end
        at = end
    yield from _spans(text, at, len(text))


def _fences(text: str) -> Iterator[Range]:
    """Give the fences, up to the first that may be within a list or a quotation: its end is not certain."""
    opening: re.Match[str] | None = None
    for fence in _FENCE.finditer(text):
        if opening is not None:
            if _closes(opening["mark"], fence):
                yield opening.start(), fence.end()
                opening = None
        elif fence["before"]:
            return
        elif not (fence["mark"].startswith("`") and "`" in fence["info"]):
            # With a backtick behind it, it is a line with code spans.
            opening = fence


def _closes(mark: str, fence: re.Match[str]) -> bool:
    is_near = len(fence["before"]) <= _MOST_INDENTED and not fence["before"].strip(" ")
    return is_near and fence["mark"].startswith(mark) and not fence["info"].strip()


def _spans(text: str, start: int, end: int) -> Iterator[Range]:
    is_certain = True
    for line in _LINE.finditer(text, start, end):
        if not line[0].strip():
            is_certain = True
            continue
        runs = [run.span() for run in _RUN.finditer(text, *line.span())]
        spans = [] if _ESCAPED in line[0] else list(_spans_of_line(runs))
        if is_certain:
            yield from spans
        is_certain = is_certain and not _is_left_over(runs, spans)


def _is_left_over(runs: Sequence[Range], spans: Sequence[Range]) -> bool:
    """Tell whether a run lies in no span; both are in order."""
    ahead = iter(spans)
    end = 0
    for at, _ in runs:
        while at >= end:
            span = next(ahead, None)
            if span is None or at < span[0]:
                return True
            end = span[1]
    return False


def _spans_of_line(runs: Sequence[Range]) -> Iterator[Range]:
    """Pair each run of backticks with the next one of its length."""
    later: defaultdict[int, list[Range]] = defaultdict(list)
    for start, end in reversed(runs):
        later[end - start].append((start, end))
    at = 0
    for start, end in runs:
        same = later[end - start]
        same.pop()
        if start >= at and same:
            at = same[-1][1]
            yield start, at
