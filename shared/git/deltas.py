"""Applies deltas of packs (gitformat-pack(5), deltified representation)."""

from __future__ import annotations

_MORE, _SEVEN = 0x80, 0x7F
_LONGEST_NUMBER = 10
_COPY = 0x80
_OFFSET_BYTES, _SIZE_BYTES = 4, 3
_WHOLE = 0x10000
"""What a size of 0 in a copy stands for."""

_MOST_STEPS = 256
"""Instructions of one delta: a commit that changes in more places is none that git stores as one."""


class _Malformed(Exception):
    """A delta is none."""


def apply_delta(base: bytes, delta: bytes, *, longest: int) -> bytes | None:
    """Make what ``delta`` stands for; None where it does not fit, or makes over ``longest`` bytes."""
    try:
        size, at = _number(delta, 0)
        made_size, at = _number(delta, at)
        if size != len(base) or made_size > longest:
            return None
        made, steps = bytearray(), 0
        while at < len(delta) and len(made) <= made_size and steps < _MOST_STEPS:
            piece, at = _step(base, delta, at)
            made += piece
            steps += 1
    except (IndexError, _Malformed):
        return None
    return bytes(made) if len(made) == made_size and at == len(delta) else None


def _step(base: bytes, delta: bytes, at: int) -> tuple[bytes, int]:
    """Give what one instruction makes, and where the next one begins."""
    code, at = delta[at], at + 1
    if not code:
        raise _Malformed
    if not code & _COPY:
        return _exactly(delta, at, code), at + code
    start, at = _little(code, delta, at, range(_OFFSET_BYTES))
    size, at = _little(code >> _OFFSET_BYTES, delta, at, range(_SIZE_BYTES))
    return _exactly(base, start, size or _WHOLE), at


def _exactly(data: bytes, start: int, size: int) -> bytes:
    piece = data[start : start + size]
    if len(piece) != size:
        raise _Malformed
    return piece


def _little(bits: int, data: bytes, at: int, places: range) -> tuple[int, int]:
    """Read a number of which only those bytes are there whose bits are set."""
    value = 0
    for place in places:
        if bits >> place & 1:
            value |= data[at] << 8 * place
            at += 1
    return value, at


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Read a number of seven bits a byte; a longer one than any size is none."""
    value = 0
    for place in range(_LONGEST_NUMBER):
        value |= (data[at + place] & _SEVEN) << 7 * place
        if not data[at + place] & _MORE:
            return value, at + place + 1
    raise _Malformed
