"""Plans how an object is composed of bytes and of ranges of other objects, by one multipart upload. No I/O.

A part is either a range that the server copies, or bytes that are sent. S3 takes no part below 5 MiB but the
last, so that bytes between two ranges are sent with the beginning of the next one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

from shared.storage.errors import TooManyParts


@dataclass(frozen=True, slots=True)
class ObjectRange:
    """``length`` stored bytes at ``position`` of the object ``key``."""

    key: str
    position: int
    length: int

    @property
    def end(self) -> int:
        """The position behind its last byte."""
        return self.position + self.length


Piece = bytes | ObjectRange
"""A piece of an object that is composed: bytes, or where they are stored."""


@dataclass(frozen=True, slots=True)
class CopiedPart:
    """A part that the server copies from another object."""

    source: ObjectRange


@dataclass(frozen=True, slots=True)
class SentPart:
    """A part that is sent; the ranges among its pieces are read first."""

    pieces: tuple[Piece, ...]


ComposedPart = CopiedPart | SentPart


@dataclass(frozen=True, slots=True, kw_only=True)
class PartLimits:
    """The limits of parts; sizes are in bytes.

    Each part but the last has at least ``least``. A part that is sent has at most ``longest_sent``, which is
    no less than ``least``, and one that is copied at most ``longest_copied``, which is at least twice that.
    """

    least: int
    longest_sent: int
    longest_copied: int
    most: int = 10_000


class PartPlanner:
    """Plans the parts of one object, while its pieces come in order. Holds less than two parts that are sent.

    ``size`` is how many bytes the pieces have together. No range has more than ``least`` of its bytes sent,
    but one that is shorter than twice that. ``least`` is that of the limits, and more for an object that
    might have too many parts: up to ``longest_sent * (most - 1)`` bytes never have, whatever the pieces are.
    """

    def __init__(self, limits: PartLimits, *, size: int) -> None:
        needed = -(-size // (limits.most - 1))
        self._least = min(max(limits.least, needed), limits.longest_sent)
        self._limits = limits
        self._count = 0
        self._held: list[Piece] = []
        self._length = 0
        self._range: ObjectRange | None = None  # which the next one may continue

    def add(self, piece: Piece) -> list[ComposedPart]:
        """Take the next piece, and give the parts that are certain by now. Raises TooManyParts."""
        if not length_of(piece):
            return []
        if isinstance(piece, ObjectRange) and self._range and self._continues(self._range, piece):
            self._range = replace(self._range, length=self._range.length + piece.length)
            return []
        parts = self._place_range()
        if isinstance(piece, ObjectRange):
            self._range = piece
        else:
            parts += self._hold(piece)
        return self._counted(parts)

    def finish(self) -> list[ComposedPart]:
        """Give the parts that are left, the last of any length. Raises TooManyParts."""
        parts = self._place_range()
        return self._counted([*parts, self._release()] if self._held else parts)

    def _continues(self, before: ObjectRange, after: ObjectRange) -> bool:
        """Tell whether to join two ranges: a long one is copied at once, so that its copies do not wait."""
        is_next = before.key == after.key and before.end == after.position
        return is_next and before.length < self._limits.longest_copied

    def _place_range(self) -> list[ComposedPart]:
        """Copy the range that ended, but for what held bytes lack to be a part; hold all of a short one."""
        if (source := self._range) is None:
            return []
        self._range = None
        lacking = max(self._least - self._length, 0) if self._held else 0
        if source.length < lacking + self._least:
            return self._hold(source)
        sent = self._hold(cut(source, 0, lacking)) if lacking else []
        if self._held:
            sent.append(self._release())
        rest = ObjectRange(source.key, source.position + lacking, source.length - lacking)
        return sent + [CopiedPart(part) for part in evenly(rest, self._limits.longest_copied)]

    def _hold(self, piece: Piece) -> list[ComposedPart]:
        """Hold a piece, and give each part that is full before its end."""
        full: list[ComposedPart] = []
        while self._length + length_of(piece) > self._limits.longest_sent:
            room = self._limits.longest_sent - self._length
            self._append(cut(piece, 0, room))
            piece = cut(piece, room, length_of(piece))
            full.append(self._release())
        self._append(piece)
        return full

    def _append(self, piece: Piece) -> None:
        if length_of(piece):
            self._held.append(piece)
            self._length += length_of(piece)

    def _release(self) -> SentPart:
        part = SentPart(tuple(self._held))
        self._held, self._length = [], 0
        return part

    def _counted(self, parts: list[ComposedPart]) -> list[ComposedPart]:
        self._count += len(parts)
        if self._count > self._limits.most:
            raise TooManyParts(limit=self._limits.most)
        return parts


def length_of(piece: Piece) -> int:
    """Give the number of bytes of a piece."""
    return piece.length if isinstance(piece, ObjectRange) else len(piece)


def cut(piece: Piece, first: int, last: int) -> Piece:
    """Give the bytes of a piece from number ``first`` on, and before number ``last``."""
    if isinstance(piece, ObjectRange):
        return ObjectRange(piece.key, piece.position + first, last - first)
    return piece[first:last]


def spans(ranges: Iterable[ObjectRange], *, gap: int, longest: int) -> list[ObjectRange]:
    """Give what to read to have all the ranges, in order: at most ``longest`` bytes at a time.

    Ranges that follow one another in an object are one span, where at most ``gap`` bytes lie between two.
    """
    found: list[ObjectRange] = []
    for each in ranges:
        last = found[-1] if found else None
        if last and _is_near(last, each, gap) and each.end - last.position <= longest:
            found[-1] = replace(last, length=each.end - last.position)
        else:
            found.append(each)
    return found


def _is_near(before: ObjectRange, after: ObjectRange, gap: int) -> bool:
    return before.key == after.key and 0 <= after.position - before.end <= gap


def evenly(source: ObjectRange, longest: int) -> list[ObjectRange]:
    """Cut a range into parts of about one length, at most ``longest``, so that none is a short rest."""
    count = max(1, -(-source.length // longest))
    ends = [source.length * number // count for number in range(count + 1)]
    return [ObjectRange(source.key, source.position + first, last - first) for first, last in pairwise(ends)]
