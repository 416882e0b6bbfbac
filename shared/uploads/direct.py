"""Direct uploads in Postgres: their bytes go into the store past our services, as parts by addresses.

Each is an upload with an object of its own, which becomes its one piece once the parts are completed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from shared.database.pool import Connection, Database
from shared.ledger import objects
from shared.storage.s3_part_sizes import MAX_PART, MIB
from shared.uploads.models import Upload
from shared.uploads.store import find

MOST_PARTS = 1000
"""Parts of an upload, so that its completion is one small document."""

LEAST_PART_SIZE = 8 * MIB
LARGEST = MOST_PARTS * MAX_PART
"""The bytes of the largest direct upload: 4.9 TiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectUpload:
    """An upload, and where its parts go. ``write_id`` is None before the first address is asked for."""

    upload: Upload
    size: int
    key: str
    object_id: int
    part_size: int
    write_id: str | None

    @property
    def part_count(self) -> int:
        """The number of its parts."""
        return -(-self.size // self.part_size)

    def length_of(self, number: int) -> int:
        """Return the bytes of a part; the first has the number 1."""
        return min(self.part_size, self.size - (number - 1) * self.part_size)


def part_size_of(size: int) -> int:
    """Return the size of the parts of an upload: whole MiB, so that there are at most 1,000."""
    return max(LEAST_PART_SIZE, -(-size // (MOST_PARTS * MIB)) * MIB)


async def add(db: Connection, upload: Upload, *, size: int, sha256: bytes | None) -> int:
    """Make an upload of the same transaction a direct one; return the size of its parts."""
    named, part_size = await objects.register(db, kind="upload"), part_size_of(size)
    await db.execute(
        "INSERT INTO direct_uploads (upload_id, object_id, part_size, sha256) VALUES ($1, $2, $3, $4)",
        upload.id, named.id, part_size, sha256,
    )  # fmt: skip
    return part_size


async def find_direct(db: Database, upload_id: int, *, user_id: int) -> DirectUpload | None:
    """Find a direct upload of the user that is not used and not past its time."""
    upload = await find(db, upload_id, user_id=user_id)
    row = await db.fetchrow(
        """SELECT key, object_id, part_size, write_id FROM direct_uploads
           JOIN objects ON objects.id = object_id WHERE upload_id = $1""",
        upload_id,
    )
    if upload is None or upload.size is None or row is None:
        return None
    return DirectUpload(upload=upload, size=upload.size, **row)


async def begin(db: Database, found: DirectUpload, write_id: str) -> str:
    """Keep the id of the write of an upload, and return the one that counts: the first that was kept."""
    kept: str = await db.fetchval(
        """UPDATE direct_uploads SET write_id = coalesce(write_id, $2) WHERE upload_id = $1
           RETURNING write_id""",
        found.upload.id, write_id,
    )  # fmt: skip
    return kept


async def prolong(db: Database, found: DirectUpload, *, kept: timedelta) -> None:
    """Keep an upload for the time ``kept`` from now on."""
    await db.execute("UPDATE uploads SET expires_at = now() + $2 WHERE id = $1", found.upload.id, kept)


async def complete(db: Connection, found: DirectUpload, *, sha256: bytes | None) -> bool:
    """Make the object of an upload its one piece, in a transaction; give False where it is gone.

    ``sha256`` takes the place of the digest that was given before. May be repeated.
    """
    received = await db.fetchval(
        "SELECT received FROM uploads WHERE id = $1 AND used_at IS NULL FOR NO KEY UPDATE", found.upload.id
    )
    if received is None:
        return False
    if not received:
        await _add_piece(db, found)
    await db.execute(
        "UPDATE direct_uploads SET sha256 = coalesce($2, sha256) WHERE upload_id = $1",
        found.upload.id, sha256,
    )  # fmt: skip
    return True


async def _add_piece(db: Connection, found: DirectUpload) -> None:
    await objects.record_stored(db, found.object_id, size=found.size, sha256=None)
    await db.execute(
        'INSERT INTO upload_pieces (upload_id, "position", size, object_id) VALUES ($1, 0, $2, $3)',
        found.upload.id, found.size, found.object_id,
    )  # fmt: skip
    await db.execute("UPDATE uploads SET received = size WHERE id = $1", found.upload.id)


async def find_sha256(db: Database, upload_id: int) -> bytes | None:
    """Find the digest that the bytes of an upload are to have; None where nobody gave one."""
    digest: bytes | None = await db.fetchval(
        "SELECT sha256 FROM direct_uploads WHERE upload_id = $1", upload_id
    )
    return digest


async def remove(db: Database, found: DirectUpload) -> None:
    """Remove an upload that was not used; the collector removes its object, or what there is of it."""
    await db.execute("DELETE FROM uploads WHERE id = $1 AND used_at IS NULL", found.upload.id)
