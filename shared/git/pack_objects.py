"""Looks at the objects of a pack while it streams by (gitformat-pack(5)), in one pass that keeps nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from enum import Enum
from struct import Struct
from typing import NamedTuple

from isal import isal_zlib

from shared.errors import ArchiveError

PACK_HEADER = Struct(">4sII")
_LONGEST_OBJECT_HEADER = 64
"""Bytes of the head of an object, at most: two lengths of 10 bytes, or one and the id of a base."""

_SLICE = 64 * 1024
_AT_ONCE = 1024 * 1024
_SMALLEST_SLICE = 64
_MORE, _SEVEN, _FOUR = 0x80, 0x7F, 0x0F
_MOST_SHIFTS = 63


class PackUnreadable(ArchiveError):
    """An object of a pack cannot be read, so that git could not unpack it either."""

    code = "git_pack_unreadable"

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"object {number} of the pack {reason}")


class ObjectKind(Enum):
    """The kind of an object, which is whole or a delta against another one."""

    COMMIT = 1
    TREE = 2
    BLOB = 3
    TAG = 4
    OFS_DELTA = 6
    REF_DELTA = 7

    @property
    def is_delta(self) -> bool:
        """Whether it is a delta: what it is, and its id, shows only once its base is known."""
        return self in (ObjectKind.OFS_DELTA, ObjectKind.REF_DELTA)

    @property
    def word(self) -> bytes:
        """What an object of this kind begins with where it is named by its hash."""
        return self.name.lower().encode()


class ObjectHead(NamedTuple):
    """What is known of an object before its bytes: its kind, their number, and where it begins in the pack.

    ``base`` is where the base of a delta begins, None where that is not told.
    """

    kind: ObjectKind
    size: int
    at: int
    base: int | None = None


class ObjectLooker:
    """Is told of each object; the methods do nothing here."""

    def begin(self, head: ObjectHead) -> Callable[[bytes], None] | None:  # noqa: ARG002
        """Begin an object; give what takes its bytes, or None where they do not matter."""
        return None

    def end(self) -> None:
        """End the object."""


class PackObjects:
    """Takes a pack in order, in pieces of any size, and tells ``looker`` of each object in it.

    Memory: 64 bytes of a head, a slice of 64 KiB, and 1 MiB of what comes of it. All objects are inflated, as
    nothing else shows where the next one begins: ``inflated`` counts their bytes, ``seen`` counts them.
    ``is_over`` once all that were announced have come.
    """

    def __init__(self, object_format: str, looker: ObjectLooker) -> None:
        self._base = hashlib.new(object_format, usedforsecurity=False).digest_size
        self._looker = looker
        self._held = b""
        self._announced: int | None = None
        self._at = 0
        self._behind = 0
        self.seen = 0
        self._left = 0
        self.inflated = 0
        self._take: Callable[[bytes], None] | None = None
        self._inflate: isal_zlib.Decompress | None = None

    @property
    def is_over(self) -> bool:
        """Whether all objects have come."""
        return self.seen == self._announced and self._inflate is None

    def feed(self, data: bytes | memoryview) -> None:
        """Take the next bytes. Raises PackUnreadable."""
        view = memoryview(self._held + data if self._held else data)
        at, more = 0, True
        while more and not self.is_over:
            step = self._read_body if self._inflate else self._read_head
            used, more = step(view[at:])
            at += used
            self._at += used
        self._behind += len(view) - at if self.is_over else 0
        self._held = b"" if self.is_over else bytes(view[at:])

    def close(self) -> None:
        """End the pack. Raises PackUnreadable where it has other objects than it announces."""
        if not self.is_over:
            raise self._unreadable("is not there")
        if self._behind != self._base:
            raise self._unreadable("was not announced")

    def _read_head(self, view: memoryview) -> tuple[int, bool]:
        """Read the head of the pack or of an object; give how long it is, and whether it was whole."""
        if self._announced is None:
            if len(view) < PACK_HEADER.size:
                return 0, False
            self._announced = PACK_HEADER.unpack_from(view)[2]
            return PACK_HEADER.size, True
        head = bytes(view[:_LONGEST_OBJECT_HEADER])
        used = self._begin(head)
        if not used and len(head) == _LONGEST_OBJECT_HEADER:
            raise self._unreadable("has no valid head")
        return used, bool(used)

    def _begin(self, head: bytes) -> int:
        """Begin the object of ``head``; give the length of that, 0 where it is not whole."""
        size_ends = _end_of_number(head, 0)
        if not size_ends:
            return 0
        try:
            kind = ObjectKind(head[0] >> 4 & 7)
        except ValueError:
            raise self._unreadable("is of an unknown kind") from None
        end, base = size_ends, None
        if kind is ObjectKind.OFS_DELTA:
            end = _end_of_number(head, size_ends)
            base = self._at - _distance(head[size_ends:end])
            if end and not PACK_HEADER.size <= base < self._at:
                raise self._unreadable("is a delta of nothing")
        elif kind is ObjectKind.REF_DELTA:
            end = size_ends + self._base if len(head) >= size_ends + self._base else 0
        if end:
            self._left = _size(head[:size_ends])
            self._take = self._looker.begin(ObjectHead(kind, self._left, self._at, base))
            self._inflate = isal_zlib.decompressobj()
        return end

    def _read_body(self, view: memoryview) -> tuple[int, bool]:
        """Inflate some of an object; give how much of ``view`` that took, and whether to go on."""
        inflate = self._inflate
        assert inflate is not None  # noqa: S101  # as ``feed`` knows
        # What is behind the end of the object is copied, so no more is given than it may need.
        piece = view[: min(_SLICE, max(_SMALLEST_SLICE, self._left + (self._left >> 9)))]
        if not piece:
            return 0, False
        try:
            raw = inflate.decompress(piece, _AT_ONCE)
        except isal_zlib.IsalError:  # type: ignore[misc]  # isal's stub calls it an instance
            raise self._unreadable("is damaged") from None
        used = len(piece) - len(inflate.unused_data) - len(inflate.unconsumed_tail)
        self._left -= len(raw)
        self.inflated += len(raw)
        if self._left < 0 or (inflate.eof and self._left):
            raise self._unreadable("has another size than it says")
        if raw and self._take:
            self._take(raw)
        if inflate.eof:
            self._end()
        return used, True

    def _end(self) -> None:
        self._inflate = None
        self.seen += 1
        self._looker.end()

    def _unreadable(self, reason: str) -> PackUnreadable:
        return PackUnreadable(self.seen + 1, reason)


def _end_of_number(data: bytes, at: int) -> int:
    """Give where a number ends that begins at ``at``; 0 where it goes on behind the data."""
    for end in range(at, len(data)):
        if not data[end] & _MORE:
            return end + 1
    return 0


def _distance(number: bytes) -> int:
    """Read how far before a delta its base begins; there each byte but the last counts one more."""
    distance = -1
    for byte in number:
        distance = distance + 1 << 7 | byte & _SEVEN
    return distance


def _size(head: bytes) -> int:
    size, shift = head[0] & _FOUR, 4
    for byte in head[1:]:
        size |= (byte & _SEVEN) << shift
        shift += 7
    return min(size, (1 << _MOST_SHIFTS) - 1)
