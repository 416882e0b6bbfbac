"""Pointers of git LFS: small blobs that name large objects by their SHA-256 (git-lfs, docs/spec.md)."""

from __future__ import annotations

import re
from collections.abc import Callable

from shared.git.pack_objects import ObjectHead, ObjectKind, ObjectLooker

MOST_POINTERS = 500_000
"""Objects that are remembered at once, at 150 bytes of memory each."""

_LONGEST = 1024
"""Bytes that a pointer has fewer of, as git LFS has it."""

_SHORTEST = 100
_POINTER = re.compile(
    rb"version https://(?:git-lfs|hawser)\.github\.com/spec/v1\n(?:ext-[^\n]+\n)*"
    rb"oid sha256:([0-9a-f]{64})\nsize ([0-9]{1,18})\n?"
)


class PointerLooker(ObjectLooker):
    """Collects the LFS objects that whole blobs point to: ``found`` has their SHA-256 and their sizes.

    A pointer that is stored as a delta is missed. git stores none as one: a delta has to be shorter than half
    of what it stands for, less 20 bytes, and the 64 digits of a pointer, its own, are longer than that.
    ``overflowed`` tells whether there were more than are remembered.
    """

    def __init__(self) -> None:
        self.found: dict[bytes, int] = {}
        self.overflowed = False
        self._text: bytearray | None = None

    def begin(self, head: ObjectHead) -> Callable[[bytes], None] | None:
        """See ObjectLooker."""
        may_be_one = head.kind is ObjectKind.BLOB and _SHORTEST <= head.size < _LONGEST
        self._text = bytearray() if may_be_one else None
        return None if self._text is None else self._text.extend

    def end(self) -> None:
        """See ObjectLooker."""
        pointer = _POINTER.fullmatch(self._text) if self._text else None
        if pointer is None:
            return
        oid = bytes.fromhex(pointer[1].decode())
        if oid in self.found or len(self.found) < MOST_POINTERS:
            self.found[oid] = int(pointer[2])
        else:
            self.overflowed = True
