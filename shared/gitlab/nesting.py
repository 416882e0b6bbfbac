"""Measures and walks nested JSON (RFC 8259) without recursion, so that no stack limits it."""

from __future__ import annotations

import re
from itertools import accumulate

_SLICE = 256 * 1024

_BRACKETS_AND_QUOTES = bytes(set(range(256)) - set(b'{}[]"'))
_STEPS = bytes.maketrans(b"{[}]", b"\x01\x01\xff\xff")

# Possessive quantifiers keep every match linear, and the memory of the matcher flat.
_SPACE = rb"[ \t\n\r]*+"
_HEX = rb"[0-9a-fA-F]"
_ESCAPE = (
    rb'\\(?:["\\/bfnrt]'
    rb"|u[dD][89abAB]" + _HEX + rb"{2}\\u[dD][c-fC-F]" + _HEX + rb"{2}"
    rb"|u(?![dD][89a-fA-F])" + _HEX + rb"{4})"
)
_STRING = rb'"(?:[^"\\\x00-\x1f]++|' + _ESCAPE + rb')*+"'
_NUMBER = rb"-?+(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][-+]?+[0-9]++)?+"
_SCALAR = rb"(?:" + _STRING + rb"|" + _NUMBER + rb"|true|false|null)"
_NAME = _STRING + _SPACE + rb":" + _SPACE


def _container(name: bytes, close: bytes) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Make patterns for what may follow an opening bracket, and a nested container that has closed.

    Each matches scalars up to and including the next bracket, opening or closing.
    """
    member = name + _SCALAR + _SPACE
    run = rb"(?:" + member + rb"," + _SPACE + rb")*+(?:" + name + rb"[\[{]|" + member + close + rb")"
    first = _SPACE + rb"(?:" + close + rb"|" + run + rb")"
    following = _SPACE + rb"(?:" + close + rb"|," + _SPACE + run + rb")"
    return re.compile(first), re.compile(following)


_ARRAY, _OBJECT = ord("["), ord("{")
_GRAMMAR = {_ARRAY: _container(b"", rb"\]"), _OBJECT: _container(_NAME, rb"\}")}
_TO_BRACKET = re.compile(rb'(?:[^"\[{]++|"(?:[^"\\]++|\\.)*+")*+[\[{]', re.DOTALL)


class MalformedJson(ValueError):
    """The text is not JSON, at byte ``at`` or in the scalars after it."""

    def __init__(self, at: int) -> None:
        super().__init__(f"malformed JSON after byte {at}")
        self.at = at


def depth_over(line: bytes, limit: int) -> int | None:
    """Give the depth of ``line`` where it exceeds ``limit``, else None. Brackets in strings do not count.

    Linear, at the speed of ``bytes`` methods; a line with no more brackets than ``limit`` is not scanned.
    """
    if line.count(b"{") + line.count(b"[") <= limit:
        return None
    deepest = _depth(line)
    return deepest if deepest > limit else None


def _depth(line: bytes) -> int:
    level = deepest = quoted = 0
    escape = b""
    for start in range(0, len(line), _SLICE):
        piece = escape + line[start : start + _SLICE]
        escape = b"\\" * (_backslashes_at_end(piece) % 2)
        plain = piece[: len(piece) - len(escape)].replace(b"\\\\", b"").replace(b'\\"', b"")
        parts = plain.translate(None, _BRACKETS_AND_QUOTES).split(b'"')
        steps = memoryview(b"".join(parts[quoted::2]).translate(_STEPS)).cast("b")
        peak = max(accumulate(steps, initial=level))
        deepest = max(deepest, peak)
        level += sum(steps)
        quoted = (quoted + len(parts) - 1) % 2
    return deepest


def _backslashes_at_end(piece: bytes) -> int:
    return len(piece) - len(piece.rstrip(b"\\"))


def flatten(line: bytes) -> bytearray:
    """Give ``line`` with each container inside the outermost one checked, and replaced by a number.

    The result has the same length, nests once, and is JSON exactly if ``line`` is. Raises MalformedJson. It
    walks from bracket to bracket (some 3 MiB/s where there is little else), for lines too deep for recursion.
    """
    flat = bytearray(line)
    outermost = _TO_BRACKET.match(line)
    at = outermost.end() if outermost else len(line)
    while nested := _TO_BRACKET.match(line, at):
        start = nested.end() - 1
        at = _end_of_container(line, start)
        flat[start:at] = b"0".ljust(at - start)
    return flat


def _end_of_container(line: bytes, start: int) -> int:
    inside = bytearray(line[start : start + 1])
    following = 0
    at = start + 1
    while inside:
        eaten = _GRAMMAR[inside[-1]][following].match(line, at)
        if not eaten:
            raise MalformedJson(at)
        at = eaten.end()
        opens = line[at - 1] in _GRAMMAR
        following = 0 if opens else 1
        if opens:
            inside.append(line[at - 1])
        else:
            inside.pop()
    return at
