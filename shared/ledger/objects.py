"""The ledger of object storage: a row for every object, written before its first byte.

The collector deletes objects that nothing refers to and that were not touched for its grace time. So a writer
of an object, and a caller that is about to refer to one, keeps it touched.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Literal
from uuid import uuid4

from asyncpg import UniqueViolationError

from shared.database.pool import Database, Pool, Row
from shared.database.prolonging import repeated
from shared.errors import CrossdockError
from shared.storage.base import ObjectStore

ObjectKind = Literal["upload", "pack", "blob", "archive"]
"""What an object is; its key begins with the kind and an ``s``."""

TOUCH_EVERY = timedelta(seconds=15)
"""How often ``keep_touched`` touches an object; the collector's grace time must be several times this."""

RETRIED_WITHIN = timedelta(days=1)
"""How long the archive of a failed or canceled import is kept, so that the import can be retried."""

RETRIABLE = (
    f"state IN ('failed', 'canceled') AND finished_at > now() - interval '{RETRIED_WITHIN.total_seconds()} s'"
)
"""The SQL condition that a row of ``jobs`` is of one that can still be retried."""

NAMED = """
EXISTS (SELECT FROM entries WHERE object_id = o.id)
OR EXISTS (SELECT FROM runs WHERE object_id = o.id)
OR EXISTS (SELECT FROM archives WHERE object_id = o.id)
OR EXISTS (SELECT FROM upload_pieces WHERE object_id = o.id)
OR EXISTS (SELECT FROM direct_uploads WHERE object_id = o.id)
"""
"""The SQL condition that a row names the object ``o`` until it is deleted: a trigger notices that."""

UNREFERRED = f"""
NOT ({NAMED})
AND NOT EXISTS (SELECT FROM jobs WHERE object_id = o.id AND state IN ('queued', 'running'))
AND NOT EXISTS (SELECT FROM jobs WHERE object_id = o.id AND {RETRIABLE})
"""  # noqa: S608  # fixed texts
"""The SQL condition that nothing refers to the object ``o``."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A stored archive: its key, its size in bytes, and whether the ledger has its SHA-256."""

    key: str
    size: int
    has_digest: bool


class BlobVanished(CrossdockError):
    """The stored blob of the same digest was collected in the same moment; the next attempt stores it."""

    code = "blob_vanished"
    retryable = True
    sentence = "a stored file was removed in the moment in which it was to be used"


class ObjectCollected(CrossdockError):
    """The object was not touched for so long that it was collected while it was written."""

    code = "object_collected"
    retryable = True

    def __init__(self, object_id: int) -> None:
        super().__init__(f"object {object_id} was collected before it was complete")


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A row of the ledger: the object's id, and the key of its bytes, written or still to come."""

    id: int
    key: str


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """A stored blob: the id of its row, and its size in bytes as it is stored."""

    object_id: int
    size: int


async def register(db: Database, *, kind: ObjectKind) -> StoredObject:
    """Register a new object under a random key; its bytes may be written after this."""
    key = uuid4().hex
    key = f"{kind}s/{key[:2]}/{key}"
    return StoredObject(
        await db.fetchval("INSERT INTO objects (key, kind) VALUES ($1, $2) RETURNING id", key, kind), key
    )


async def record_stored(
    db: Database, object_id: int, *, size: int, sha256: bytes | None, crc32s: bytes | None = None
) -> None:
    """Record that ``size`` bytes of the object are committed in the store. Raises ObjectCollected.

    ``crc32s`` are those of its writer; without them its bytes are not checked while they are sent.
    """
    recorded = await db.fetchval(
        """UPDATE objects SET state = 'stored', size = $2, sha256 = $3, crc32s = $4, touched_at = now()
           WHERE id = $1 AND state = 'writing' RETURNING true""",
        object_id, size, sha256, crc32s,
    )  # fmt: skip
    if not recorded:
        raise ObjectCollected(object_id)


async def record_blob(
    db: Database, blob: StoredObject, *, size: int, sha256: bytes, crc32s: bytes | None = None
) -> StoredBlob:
    """Record a committed blob, unless one of the same digest is stored; give the one to refer to.

    Where that is the other one, ``blob`` is marked, and left to the collector. Raises BlobVanished.
    """
    try:
        await record_stored(db, blob.id, size=size, sha256=sha256, crc32s=crc32s)
    # Two writers of equal bytes may both find no blob and both upload: the unique index of digests decides.
    except UniqueViolationError:
        await mark(db, blob.id)
        first = await find_blob(db, sha256)
        if first is None:
            raise BlobVanished(blob.key) from None
        return first
    return StoredBlob(blob.id, size)


async def find_blob(db: Database, sha256: bytes) -> StoredBlob | None:
    """Find a stored blob by the SHA-256 of its raw bytes, and touch it: it is kept for the grace time."""
    # One statement: between a find and a touch the collector could mark the blob.
    row = await db.fetchrow(
        """UPDATE objects SET touched_at = now()
           WHERE sha256 = $1 AND kind = 'blob' AND state = 'stored' RETURNING id, size""",
        sha256,
    )
    return StoredBlob(row["id"], row["size"]) if row else None


async def touch(db: Database, object_id: int) -> bool:
    """Keep a stored object for the grace time; give False where it is collected, or marked for that."""
    return bool(
        await db.fetchval(
            "UPDATE objects SET touched_at = now() WHERE id = $1 AND state = 'stored' RETURNING true",
            object_id,
        )
    )


async def find_stored(db: Database, object_id: int) -> StoredFile | None:
    """Find a stored archive, uploaded or made, by the id of its object."""
    row = await db.fetchrow(
        """SELECT key, size, sha256 IS NOT NULL AS has_digest FROM objects
           WHERE id = $1 AND state = 'stored'""",
        object_id,
    )
    return StoredFile(**row) if row else None


async def register_existing(db: Database, key: str, *, size: int) -> int | None:
    """Register an object that another system put into the store, as an upload; the collector deletes it.

    Gives its id; None where it was an upload before, and is marked.
    """
    number: int | None = await db.fetchval(
        """INSERT INTO objects (key, kind, state, size) VALUES ($1, 'upload', 'stored', $2)
           ON CONFLICT (key) DO UPDATE SET size = excluded.size, touched_at = now()
           WHERE objects.state = 'stored' RETURNING id""",
        key, size,
    )  # fmt: skip
    return number


async def adopt(db: Database, key: str, *, kind: ObjectKind) -> bool:
    """Register an object that is in the store without a row, and mark it; give whether it had none.

    It is collected after the grace time.
    """
    adopted = await db.fetchval(
        """INSERT INTO objects (key, kind, state) VALUES ($1, $2, 'deleting')
           ON CONFLICT DO NOTHING RETURNING true""",
        key, kind,
    )  # fmt: skip
    return bool(adopted)


async def condemn(db: Database, key: str) -> bool:
    """Set a stored object to ``damaged``; give whether it was stored.

    What refers to it goes on to, and exports of that fail at once. New content does not refer to it: it is
    stored anew where its digest is the same.
    """
    return bool(
        await db.fetchval(
            "UPDATE objects SET state = 'damaged' WHERE key = $1 AND state = 'stored' RETURNING true", key
        )
    )


async def acquit(db: Database, key: str) -> None:
    """Set a damaged object, whose bytes are right again, to ``stored``.

    A blob whose digest another one has by now keeps its bytes, and loses that digest.
    """
    await db.execute(
        """UPDATE objects d SET state = 'stored', sha256 = CASE WHEN kind <> 'blob' OR NOT EXISTS (
               SELECT FROM objects WHERE kind = 'blob' AND state = 'stored' AND sha256 = d.sha256
           ) THEN sha256 END WHERE key = $1 AND state = 'damaged'""",
        key,
    )


async def record_digest(db: Database, object_id: int, sha256: bytes) -> None:
    """Record the SHA-256 of a stored pack, which its writer did not take."""
    await db.execute(
        """UPDATE objects SET sha256 = $2
           WHERE id = $1 AND kind = 'pack' AND state = 'stored' AND sha256 IS NULL""",
        object_id, sha256,
    )  # fmt: skip


async def mark(db: Database, object_id: int) -> bool:
    """Mark an object for collection, unless something refers to it; give whether it is marked.

    Nothing refers to a marked object: ``find_blob`` and ``touch`` pass over it.
    """
    return await _mark(db, object_id) is not None


async def _mark(db: Database, object_id: int) -> Row | None:
    return await db.fetchrow(
        f"""UPDATE objects o SET state = 'deleting' WHERE id = $1 AND {UNREFERRED}
            RETURNING size IS NOT NULL AS is_recorded""",  # noqa: S608  # fixed texts
        object_id,
    )


async def collect(db: Database, store: ObjectStore, gone: StoredObject, *, is_aborted: bool = False) -> None:
    """Delete an object, unless something refers to it.

    One that was never recorded may have an upload that its writer has left, unless that has aborted it.
    """
    marked = await _mark(db, gone.id)
    if marked is not None:
        if not (is_aborted or marked["is_recorded"]):
            await store.abort_uploads_of(gone.key)
        # Bytes first: after a crash in between, the row still names what is left to delete.
        await store.delete([gone.key])
        await db.execute("DELETE FROM objects WHERE id = $1", gone.id)


@asynccontextmanager
async def keep_touched(pool: Pool, *object_ids: int) -> AsyncIterator[None]:
    """Keep objects touched while the block runs, however long that is."""
    touch = partial(pool.execute, "UPDATE objects SET touched_at = now() WHERE id = ANY($1)", object_ids)
    async with repeated(touch, every=TOUCH_EVERY, failure="touch_failed", object_ids=object_ids):
        yield
