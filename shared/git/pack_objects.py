"""Looks at the objects of a pack while it streams by (gitformat-pack(5)), in one pass that keeps nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from enum import Enum
from struct import Struct

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


class ObjectLooker:
    """Is told of each object; the methods do nothing here."""

    def begin(self, kind: ObjectKind, size: int) -> Callable[[bytes], None] | None:  # noqa: ARG002
        """Begin an object of ``size`` bytes; give what takes its bytes, or None where they do not matter."""
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
        self._held = b"" if self.is_over else bytes(view[at:])

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
        end = size_ends
        if kind is ObjectKind.OFS_DELTA:
            end = _end_of_number(head, size_ends)
        elif kind is ObjectKind.REF_DELTA:
            end = size_ends + self._base if len(head) >= size_ends + self._base else 0
        if end:
            self._left = _size(head[:size_ends])
            self._take = self._looker.begin(kind, self._left)
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


def _size(head: bytes) -> int:
    size, shift = head[0] & _FOUR, 4
    for byte in head[1:]:
        size |= (byte & _SEVEN) << shift
        shift += 7
    return min(size, (1 << _MOST_SHIFTS) - 1)


class TipLooker(ObjectLooker):
    """Looks for the objects that references name, among those that are whole.

    ``is_decided`` once all were found, or a delta came before that: what a delta stands for shows only with
    its base, which one pass does not keep. Where all objects came and it is not decided, ``missing`` is how
    many are not there. Memory: 100 bytes for each that is still looked for.
    """

    def __init__(self, object_format: str, tips: set[bytes]) -> None:
        self._format = object_format
        self._tips = tips
        self._has_deltas = False
        self._digest = hashlib.new(object_format, usedforsecurity=False)

    @property
    def missing(self) -> int:
        """How many were not found by now."""
        return len(self._tips)

    @property
    def is_decided(self) -> bool:
        """Whether looking on changes nothing."""
        return self._has_deltas or not self._tips

    def begin(self, kind: ObjectKind, size: int) -> Callable[[bytes], None] | None:
        """See ObjectLooker."""
        self._has_deltas = self._has_deltas or kind.is_delta
        named = f"{kind.name.lower()} {size}\0".encode()
        self._digest = hashlib.new(self._format, named, usedforsecurity=False)
        return None if self.is_decided else self._digest.update

    def end(self) -> None:
        """See ObjectLooker."""
        self._tips.discard(self._digest.digest())
