"""What the index says of objects and of the stretches in them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta

from shared.database.pool import Database, Row
from shared.ledger.objects import ObjectKind

_COLUMNS = "id, key, kind, state = 'damaged' AS is_damaged, size, sha256, length(crc32s) / 4 AS checksums"
_OBJECTS = f"SELECT {_COLUMNS} FROM objects WHERE state IN ('stored', 'damaged')"  # noqa: S608  # fixed texts
_SEGMENT = ("lines", "position", "stored_size", "raw_size", "crc32")
_PAGE = 1000
_PATIENCE = timedelta(minutes=10).total_seconds()
"""How long it may take to find the relations in an object; it may have millions of entries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedObject:
    """An object that should be in the store; ``size`` is in bytes.

    ``sha256`` is of the bytes in the store, but for a blob: there it is of what they inflate to.
    ``checksums`` is how many MiB have a CRC-32; None where none was taken.
    """

    id: int
    key: str
    kind: ObjectKind
    is_damaged: bool
    size: int
    sha256: bytes | None
    checksums: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A stretch of an object, and what it inflates to: an entry, or a segment of one.

    ``sha256`` and ``lines`` are None where the index has none of it. Of equal ones of several snapshots only
    one is named.
    """

    position: int
    stored_size: int
    raw_size: int
    crc32: int
    sha256: bytes | None
    lines: int | None
    snapshot_id: int
    name: str


async def list_objects(db: Database, *, first: int, limit: int) -> list[IndexedObject]:
    """List objects that should be in the store, by their ids from ``first`` on."""
    rows = await db.fetch(f"{_OBJECTS} AND id >= $1 ORDER BY id LIMIT $2", first, limit)
    return [_object(row) for row in rows]


async def find_object(db: Database, object_id: int) -> IndexedObject | None:
    """Find an object that should be in the store; None where it is not, or not any more."""
    row = await db.fetchrow(f"{_OBJECTS} AND id = $1", object_id)
    return _object(row) if row else None


def _object(row: Row) -> IndexedObject:
    return IndexedObject(**dict(row))


async def find_entries(db: Database, object_id: int, *, begin: int, end: int) -> list[Stretch]:
    """Find the entries that begin at bytes ``begin`` to ``end`` of an object, in that order.

    A MiB has about 7,000 at most, as each is a file with a header of its own.
    """
    rows = await db.fetch(
        """SELECT DISTINCT ON (position, stored_size, raw_size, crc32, sha256, lines, kind)
                  position, stored_size, raw_size, crc32, sha256,
                  CASE WHEN kind = 'relation' THEN lines END AS lines, snapshot_id, name
           FROM entries WHERE object_id = $1 AND position >= $2 AND position < $3 AND raw_size > 0
           ORDER BY position""",
        object_id, begin, end,
    )  # fmt: skip
    return [Stretch(**dict(row)) for row in rows]


async def read_segments(db: Database, object_id: int, *, begin: int) -> AsyncGenerator[Stretch, None]:
    """Give the segments in an object that begin at byte ``begin`` or later, in that order.

    Where several snapshots share a relation, those of one of them.
    """
    relations = await db.fetch(
        """SELECT DISTINCT ON (position) snapshot_id, name FROM entries
           WHERE object_id = $1 AND kind = 'relation' AND position + stored_size > $2 ORDER BY position""",
        object_id, begin, timeout=_PATIENCE,
    )  # fmt: skip
    for relation in relations:
        async with aclosing(_segments_of(db, relation["snapshot_id"], relation["name"])) as segments:
            async for segment in segments:
                if segment.position >= begin:
                    yield segment


async def _segments_of(db: Database, snapshot_id: int, name: str) -> AsyncGenerator[Stretch, None]:
    place, more = (-1, -1), True
    while more:
        rows = await db.fetch(
            """SELECT first_line, lines, position, stored_size, raw_size, crc32 FROM segments
               WHERE snapshot_id = $1 AND name = $2 AND (first_line, position) > ($3, $4)
               ORDER BY first_line, position LIMIT $5""",
            snapshot_id, name, *place, _PAGE,
        )  # fmt: skip
        for row in rows:
            first_line, *values = row.values()
            place = (first_line, row["position"])
            yield Stretch(
                **dict(zip(_SEGMENT, values, strict=True)), sha256=None, snapshot_id=snapshot_id, name=name
            )
        more = len(rows) == _PAGE
