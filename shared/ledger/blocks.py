"""The checksums of objects in the ledger, by which stored bytes are checked while they are sent."""

from __future__ import annotations

from dataclasses import dataclass

from shared.database.pool import Database
from shared.storage.checksums import WIDTH


@dataclass(frozen=True, slots=True)
class StoredBlocks:
    """The size of an object in bytes, and the checksums of some of its blocks, one after another."""

    size: int
    crc32s: bytes


async def find_blocks(db: Database, key: str, *, first: int, count: int) -> StoredBlocks | None:
    """Find the checksums of ``count`` blocks from number ``first`` on; None where there are none of them."""
    row = await db.fetchrow(
        "SELECT size, substr(crc32s, $2, $3) AS crc32s FROM objects WHERE key = $1 AND crc32s IS NOT NULL",
        key, first * WIDTH + 1, count * WIDTH,
    )  # fmt: skip
    return StoredBlocks(row["size"], row["crc32s"]) if row else None
