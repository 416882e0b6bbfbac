"""Removes what nobody refers to: expired archives, left snapshots, and then their objects."""

from __future__ import annotations

from datetime import timedelta

import structlog

from shared.database.pool import Pool
from shared.errors import StorageError
from shared.ledger import objects
from shared.ledger.objects import UNREFERRED, StoredObject
from shared.storage.base import ObjectStore

_AT_ONCE = 500
_SNAPSHOTS_AT_ONCE = 10
_DROPPING = timedelta(minutes=10)
"""The longest that dropping them takes; one may have millions of entries."""
_ABANDONED = timedelta(days=1)
_UNUSED = """
NOT EXISTS (SELECT FROM projects WHERE snapshot_id = s.id)
AND NOT EXISTS (SELECT FROM jobs WHERE snapshot_id = s.id AND state IN ('queued', 'running'))
AND NOT EXISTS (SELECT FROM relation_exports WHERE snapshot_id = s.id AND expires_at > now())
AND NOT EXISTS (SELECT FROM pushes WHERE snapshot_id IN (s.id, s.part_of) AND expires_at > now())
"""
"""The SQL condition that the snapshot ``s`` is no project's current one, and nobody reads or writes it."""

_log = structlog.get_logger()


class Collector:
    """The duties of collection, in the order in which one makes work for the next."""

    def __init__(self, pool: Pool, store: ObjectStore, *, grace: timedelta) -> None:
        self._pool = pool
        self._store = store
        self._grace = grace

    async def expire_archives(self) -> int:
        """Forget archives past their time."""
        return _count(await self._pool.execute("DELETE FROM archives WHERE expires_at < now()"))

    async def drop_snapshots(self) -> int:
        """Drop snapshots that are no project's current one and that nobody reads or writes.

        Their rows are locked before it is decided: who makes use of one, or writes into it, locks it too. One
        that is locked is looked at the next time.
        """
        async with self._pool.acquire() as db, db.transaction():
            rows = await db.fetch(
                f"""SELECT id FROM snapshots s WHERE {_UNUSED}
                    LIMIT {_SNAPSHOTS_AT_ONCE} FOR UPDATE SKIP LOCKED"""  # noqa: S608  # fixed texts
            )
            return _count(
                await db.execute(
                    f"DELETE FROM snapshots s WHERE id = ANY($1) AND {_UNUSED}",  # noqa: S608  # fixed texts
                    [row["id"] for row in rows],
                    timeout=_DROPPING.total_seconds(),
                )
            )

    async def collect_objects(self) -> int:
        """Delete objects that nobody refers to and nobody touched for twice the grace time.

        They are marked after the first, and nobody refers to a marked one: a find-and-touch meanwhile changes
        the row, so that the mark's condition is looked at anew and holds no more. The second is for those who
        still read it, such as the download of an archive that has just been replaced.
        """
        await self._pool.execute(
            f"""UPDATE objects o SET state = 'deleting', touched_at = now()
                WHERE state <> 'deleting' AND touched_at < now() - $1::interval AND {UNREFERRED}""",  # noqa: S608  # fixed texts
            self._grace,
        )
        rows = await self._pool.fetch(
            f"""SELECT id, key FROM objects o WHERE state = 'deleting'
                AND touched_at < now() - $1::interval AND {UNREFERRED}
                ORDER BY touched_at LIMIT {_AT_ONCE}""",  # noqa: S608  # fixed texts
            self._grace,
        )
        return sum([await self._collect(StoredObject(row["id"], row["key"])) for row in rows])

    async def _collect(self, gone: StoredObject) -> bool:
        """Delete one; one that cannot be deleted waits as long again, and holds up no other."""
        try:
            await objects.collect(self._pool, self._store, gone)
        except StorageError as error:
            _log.warning("object_not_collected", key=gone.key, error=str(error))
            await self._pool.execute("UPDATE objects SET touched_at = now() WHERE id = $1", gone.id)
            return False
        _log.info("object_collected", key=gone.key)
        return True

    async def abandon_uploads(self) -> int:
        """Abort multipart uploads that crashed writers left behind."""
        return await self._store.abandon_uploads(older_than=_ABANDONED)


def _count(status: str) -> int:
    return int(status.rpartition(" ")[2])
