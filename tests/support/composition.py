"""Objects of which others are composed, in short."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable

from shared.storage.base import Composed, ObjectStore
from shared.storage.composition import ObjectRange, Piece, length_of
from tests.support.objects import PART, pattern

MIB = 2**20
LARGE, SMALL = pattern(5 * PART)[::-1], pattern(3 * MIB)
STORED = {"packs/large": LARGE, "packs/small": SMALL}


async def _given(pieces: Iterable[Piece]) -> AsyncGenerator[Piece, None]:
    for piece in pieces:
        yield piece


async def composed(store: ObjectStore, *pieces: Piece, key: str = "archives/1") -> Composed:
    """Compose an object."""
    return await store.compose(key, _given(pieces), size=sum(map(length_of, pieces)))


def content(pieces: Iterable[Piece]) -> bytes:
    """Give the bytes of pieces of the stored objects."""
    return b"".join(
        piece if isinstance(piece, bytes) else STORED[piece.key][piece.position : piece.end]
        for piece in pieces
    )


def large(start: int, length: int) -> ObjectRange:
    """Give a range of the large object."""
    return ObjectRange("packs/large", start, length)


def small(start: int, length: int) -> ObjectRange:
    """Give a range of the small one."""
    return ObjectRange("packs/small", start, length)


ARCHIVES: dict[str, list[Piece]] = {
    "nothing": [],
    "bytes": [b"head", b"", b"tail"],
    "a short range": [small(5, 7)],
    "a range": [large(3, 4 * PART)],
    "ends around a range": [b"head", large(0, 5 * PART), b"tail"],
    "leads": [
        b"head",
        large(0, 2 * PART),
        b"lead",
        large(2 * PART + 9, 2 * PART),
        b"x" * 700,
        large(1, 9),
        b".",
    ],
    "short ranges": [b"head", *(small(n * 1000, 900_000) for n in range(30)), b"tail"],
    "packed files": [
        piece for n in range(500) for piece in (b"lead %d" % n, small(n * 1300, 1200 if n % 9 else 200_000))
    ],
    "a range again": [large(0, 100), b"x", large(5, 10), small(0, 7), large(5, 10), large(0, 100)],
    "files far apart": [small(n * 100_000, 5) for n in range(20)],
    "the end of an object": [b"head", small(3 * MIB - 1, 1), large(5 * PART - 2, 2), b""],
    "many bytes": [b"head", pattern(PART + 3), large(0, 2 * PART), pattern(3 * PART)],
}
