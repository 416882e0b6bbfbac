"""Measures how deep JSON nests before anything parses it, and lets the decoder go as deep as that."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from operator import add
from threading import Lock

MOST = 5000
"""The deepest nesting that may be allowed: the decoder recurses, at some 100 bytes of the C stack a level."""

_SLICE = 256 * 1024

WINDOW = 32 * 1024
"""Bytes up to which a line is short: the openings around it tell that it is not too deep."""

_NO_OPENING = bytes(set(range(256)) - set(b"{["))
_NO_MARK = bytes(set(range(256)) - set(b"{[\n"))
_NO_BRACKET_OR_QUOTE = bytes(set(range(256)) - set(b'{}[]"'))
_BITS = bytes.maketrans(b"{[}]", b"1100")
_CLOSING = b"}"

_raised = Lock()


def _walk(octet: int) -> tuple[int, ...]:
    """Give the level after each of eight brackets, which are the bits of ``octet``: 1 opens, 0 closes."""
    return tuple(accumulate(1 if bit == "1" else -1 for bit in f"{octet:08b}"))


_STEPS = bytes(_walk(octet)[-1] % 256 for octet in range(256))
_PEAKS = bytes(max(0, *_walk(octet)) for octet in range(256))


@dataclass(frozen=True, slots=True)
class Marks:
    """What a text has: ``lines`` that end in it, and ``openings``, opening brackets, those in strings too.

    No stretch of it of up to ``WINDOW`` bytes has more openings than ``densest``.
    """

    lines: int
    openings: int
    densest: int


def count_marks(text: bytes) -> Marks:
    """Count lines and opening brackets in one pass."""
    lines = openings = densest = before = 0
    for start in range(0, len(text), WINDOW):
        marks = text[start : start + WINDOW].translate(None, _NO_MARK)
        ended = marks.count(b"\n")
        opened = len(marks) - ended
        densest = max(densest, before + opened)
        lines, openings, before = lines + ended, openings + opened, opened
    return Marks(lines, openings, densest)


def count_openings(text: bytes) -> int:
    """Count the opening brackets in ``text``, those in strings too."""
    return len(text.translate(None, _NO_OPENING))


def depth_over(line: bytes, limit: int) -> int | None:
    """Give the depth of ``line`` where it exceeds ``limit``, else None. Brackets in strings do not count.

    Linear, some 25 ns a bracket; a line with no more opening brackets than ``limit`` is only counted.
    """
    if len(line) <= limit or sum(count_openings(piece) for piece in _slices(line)) <= limit:
        return None
    deepest = _depth(line)
    return deepest if deepest > limit else None


def _slices(line: bytes) -> Iterator[bytes]:
    return (line[start : start + _SLICE] for start in range(0, len(line), _SLICE))


def _depth(line: bytes) -> int:
    level = deepest = quoted = 0
    escape = b""
    for each in _slices(line):
        piece = escape + each
        escape = b"\\" * (_backslashes_at_end(piece) % 2)
        plain = piece[: len(piece) - len(escape)].replace(b"\\\\", b"").replace(b'\\"', b"")
        # Two quotes side by side end a string and begin one, or the other way round: either way nothing.
        parts = plain.translate(None, _NO_BRACKET_OR_QUOTE).replace(b'""', b"").split(b'"')
        level, peak = _climb(b"".join(parts[quoted::2]), level)
        deepest = max(deepest, peak)
        quoted = (quoted + len(parts) - 1) % 2
    return deepest


def _backslashes_at_end(piece: bytes) -> int:
    return len(piece) - len(piece.rstrip(b"\\"))


def _climb(brackets: bytes, level: int) -> tuple[int, int]:
    """Give the level after ``brackets``, which begin at ``level``, and the highest on the way.

    Eight brackets are a step: looked at one by one, they would take five times as long.
    """
    missing = -len(brackets) % 8
    bits = (brackets + _CLOSING * missing).translate(_BITS)
    octets = int(bits or b"0", 2).to_bytes(len(bits) // 8, "big")
    levels = list(accumulate(memoryview(octets.translate(_STEPS)).cast("b"), initial=level))
    return levels[-1] + missing, max(map(add, levels, octets.translate(_PEAKS)), default=level)


@contextmanager
def room_to_recurse() -> Iterator[None]:
    """Let the decoder recurse ``MOST`` levels from here on, however deep the call stack is.

    The limit of recursion is that of the whole interpreter, so one thread at a time may raise it: the others
    wait for as long as the block takes.
    """
    with _raised:
        before = sys.getrecursionlimit()
        sys.setrecursionlimit(before + MOST)
        try:
            yield
        finally:
            sys.setrecursionlimit(before)
