"""The ledger of object storage: a row for every object, written before its first byte.

The collector removes what nobody refers to and nobody touched for its grace time; whoever writes an
object, or is about to refer to one, therefore keeps it touched.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from uuid import uuid4

import structlog
from asyncpg import InterfaceError, PostgresError, UniqueViolationError

from shared.database.pool import Database, Pool
from shared.errors import CrossdockError
from shared.storage.base import ObjectStore

ObjectKind = Literal["upload", "pack", "blob", "archive"]

TOUCH_EVERY = timedelta(seconds=15)
"""How often an object being written says so; the collector's grace time must be several times this."""

RETRIED_WITHIN = timedelta(days=1)
"""For how long the archive of an import that failed or was canceled is kept, so that it can be retried."""

UNREFERRED = f"""
NOT EXISTS (SELECT FROM entries WHERE object_id = o.id)
AND NOT EXISTS (SELECT FROM archives WHERE object_id = o.id)
AND NOT EXISTS (SELECT FROM jobs WHERE object_id = o.id AND state IN ('queued', 'running'))
AND NOT EXISTS (SELECT FROM jobs WHERE object_id = o.id AND state IN ('failed', 'canceled')
                AND finished_at > now() - interval '{RETRIED_WITHIN.total_seconds()} s')
"""  # noqa: S608  # fixed texts
"""The SQL condition that nobody needs the object ``o``."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StoredUpload:
    """An uploaded archive: its object, its size in bytes, and whether the ledger has its SHA-256."""

    key: str
    size: int
    has_digest: bool


class BlobVanished(CrossdockError):
    """The blob that ours gave way to was collected in the same moment; the next attempt stores it."""

    code = "blob_vanished"
    retryable = True


class ObjectCollected(CrossdockError):
    """The object was not touched for so long that it was collected while it was written."""

    code = "object_collected"
    retryable = True

    def __init__(self, object_id: int) -> None:
        super().__init__(f"object {object_id} was collected before it was complete")


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A row of the ledger: where the bytes are, or will be."""

    id: int
    key: str


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """A stored blob: its row, and its size in bytes as it lies in the store."""

    object_id: int
    size: int


async def register(db: Database, *, kind: ObjectKind) -> StoredObject:
    """Name a new object; its bytes may be sent after this."""
    key = uuid4().hex
    key = f"{kind}s/{key[:2]}/{key}"
    return StoredObject(
        await db.fetchval("INSERT INTO objects (key, kind) VALUES ($1, $2) RETURNING id", key, kind), key
    )


async def record_stored(db: Database, object_id: int, *, size: int, sha256: bytes | None) -> None:
    """Record that the object is committed: ``size`` bytes lie in the store. Raises ObjectCollected."""
    recorded = await db.fetchval(
        """UPDATE objects SET state = 'stored', size = $2, sha256 = $3, touched_at = now()
           WHERE id = $1 AND state = 'writing' RETURNING true""",
        object_id, size, sha256,
    )  # fmt: skip
    if not recorded:
        raise ObjectCollected(object_id)


async def record_blob(db: Database, blob: StoredObject, *, size: int, sha256: bytes) -> StoredBlob:
    """Record a committed blob, or give way to the one of the same digest that came first.

    Gives the blob to refer to; where that is another, ``blob`` is left to the collector.
    """
    try:
        await record_stored(db, blob.id, size=size, sha256=sha256)
    except UniqueViolationError:
        await mark(db, blob.id)
        first = await find_blob(db, sha256)
        if first is None:
            raise BlobVanished(blob.key) from None
        return first
    return StoredBlob(blob.id, size)


async def find_blob(db: Database, sha256: bytes) -> StoredBlob | None:
    """Find a stored blob by the digest of its raw bytes, and touch it: it lives for the grace time now.

    The touch is what makes this safe: the collector's guarded update sees it and lets go.
    """
    row = await db.fetchrow(
        """UPDATE objects SET touched_at = now()
           WHERE sha256 = $1 AND kind = 'blob' AND state = 'stored' RETURNING id, size""",
        sha256,
    )
    return StoredBlob(row["id"], row["size"]) if row else None


async def touch(db: Database, object_id: int) -> bool:
    """Have a stored object live for the grace time, as ``find_blob`` does; False where it is gone."""
    return bool(
        await db.fetchval(
            "UPDATE objects SET touched_at = now() WHERE id = $1 AND state = 'stored' RETURNING true",
            object_id,
        )
    )


async def find_upload(db: Database, object_id: int) -> StoredUpload | None:
    """Find a stored upload."""
    row = await db.fetchrow(
        """SELECT key, size, sha256 IS NOT NULL AS has_digest FROM objects
           WHERE id = $1 AND state = 'stored'""",
        object_id,
    )
    return StoredUpload(**row) if row else None


async def register_existing(db: Database, key: str, *, size: int) -> int | None:
    """Take over an object that others have put into the store, as an upload: the collector removes it.

    Gives None where it has been an upload before, and is being removed.
    """
    number: int | None = await db.fetchval(
        """INSERT INTO objects (key, kind, state, size) VALUES ($1, 'upload', 'stored', $2)
           ON CONFLICT (key) DO UPDATE SET size = excluded.size, touched_at = now()
           WHERE objects.state = 'stored' RETURNING id""",
        key, size,
    )  # fmt: skip
    return number


async def mark(db: Database, object_id: int) -> bool:
    """Mark an object for deletion, unless somebody refers to it; nobody refers to a marked one."""
    return bool(
        await db.fetchval(
            f"UPDATE objects o SET state = 'deleting' WHERE id = $1 AND {UNREFERRED} RETURNING true",  # noqa: S608  # fixed texts
            object_id,
        )
    )


async def collect(db: Database, store: ObjectStore, gone: StoredObject) -> None:
    """Remove an object, unless somebody refers to it; bytes first, so that its name outlives them."""
    if await mark(db, gone.id):
        await store.delete([gone.key])
        await db.execute("DELETE FROM objects WHERE id = $1", gone.id)


@asynccontextmanager
async def keep_touched(pool: Pool, *object_ids: int) -> AsyncIterator[None]:
    """Keep objects touched while the block runs, however long it takes."""
    task = asyncio.create_task(_touch(pool, object_ids))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _touch(pool: Pool, object_ids: tuple[int, ...]) -> None:
    while True:
        await asyncio.sleep(TOUCH_EVERY.total_seconds())
        try:
            await pool.execute("UPDATE objects SET touched_at = now() WHERE id = ANY($1)", object_ids)
        except (OSError, PostgresError, InterfaceError):
            _log.warning("touch_failed", object_ids=object_ids)
