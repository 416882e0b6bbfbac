"""Collects what nothing refers to: expired archives, then unused snapshots, then their objects."""

from __future__ import annotations

from datetime import timedelta

import structlog

from shared.database.pool import Pool
from shared.errors import StorageError
from shared.ledger import objects, suspects
from shared.ledger.objects import RETRIABLE, StoredObject
from shared.storage.base import ObjectStore

_LOOKS = 20
_SNAPSHOTS_AT_ONCE = 10
_DELETION_TIMEOUT = timedelta(minutes=10)
"""How long one deletion of snapshots may take; a snapshot may have millions of entries."""
_CRASHED_AFTER = timedelta(days=1)
_UNUSED = """
NOT EXISTS (SELECT FROM projects WHERE snapshot_id = s.id)
AND NOT EXISTS (SELECT FROM jobs WHERE snapshot_id = s.id AND state IN ('queued', 'running'))
AND (read_until IS NULL OR read_until < now())
AND NOT EXISTS (SELECT FROM archives WHERE snapshot_id = s.id)
AND NOT EXISTS (SELECT FROM mapped_snapshots WHERE snapshot_id = s.id)
AND NOT EXISTS (SELECT FROM selected_snapshots WHERE snapshot_id = s.id)
AND NOT EXISTS (SELECT FROM named_snapshots WHERE snapshot_id = s.id)
AND NOT EXISTS (SELECT FROM relation_exports WHERE snapshot_id = s.id AND expires_at > now())
AND (project_id IS NULL
     OR NOT EXISTS (SELECT FROM pushes WHERE expires_at > now()
                    AND snapshot_id IN (s.id, CASE WHEN s.read_until IS NULL THEN s.part_of END)))
"""
"""The SQL condition that snapshot ``s`` is not a project's current one and has no reader and no writer.

A part is kept by its request; one of a version before, without a time, by its push.
"""

_UNSENT = f"""
NOT EXISTS (SELECT FROM jobs WHERE parent_id = a.job_id AND (finished_at IS NULL OR {RETRIABLE}))
"""  # fixed texts
"""The SQL condition that archive ``a`` is not to be uploaded, and will not be."""

_log = structlog.get_logger()


class Collector:
    """The maintenance tasks of collection, in the order in which one makes work for the next."""

    def __init__(self, pool: Pool, store: ObjectStore, *, grace: timedelta) -> None:
        self._pool = pool
        self._store = store
        self._grace = grace

    async def remove_expired_archives(self) -> int:
        """Delete archives past their time; what they kept may be unreferred then. Gives how many.

        One whose upload has not ended, or can be retried, stays.
        """
        removed = await self._pool.execute(
            f"DELETE FROM archives a WHERE expires_at < now() AND {_UNSENT}"  # noqa: S608  # fixed texts
        )
        return _count(removed)

    async def collect_snapshots(self) -> int:
        """Delete snapshots that are no project's current one and have no reader and no writer; give how many.

        A snapshot whose row is locked is skipped, and looked at again in the next round.
        """
        async with self._pool.acquire() as db, db.transaction():
            # Lock first, decide after: a job or push that starts to use a snapshot, or writes into it, locks
            # its row too. Deciding on an unlocked row could delete a snapshot that just got a reader.
            rows = await db.fetch(
                f"""SELECT id FROM snapshots s WHERE {_UNUSED}
                    LIMIT {_SNAPSHOTS_AT_ONCE} FOR UPDATE SKIP LOCKED"""  # noqa: S608  # fixed texts
            )
            return _count(
                await db.execute(
                    f"DELETE FROM snapshots s WHERE id = ANY($1) AND {_UNUSED}",  # noqa: S608  # fixed texts
                    [row["id"] for row in rows],
                    timeout=_DELETION_TIMEOUT.total_seconds(),
                )
            )

    async def collect_objects(self) -> int:
        """Mark suspects that nothing refers to or touched for the grace time, and collect the marked ones.

        An object is collected a grace time after its mark: readers that began before the mark, such as a
        download of an archive that has just been replaced, have that long to end. Gives how many were
        collected. It looks at up to 10,000 suspects that are due, 500 at a time, and ends with garbage.
        """
        for _ in range(_LOOKS):
            async with self._pool.acquire() as db, db.transaction():
                looked = await suspects.look(db, grace=self._grace)
            if looked.garbage:
                return sum([await self._collect(each) for each in looked.garbage])
            if not looked.count:
                break
        return 0

    async def _collect(self, gone: StoredObject) -> bool:
        """Collect one object. A failure postpones it by the grace time, so that others are not held up."""
        try:
            await objects.collect(self._pool, self._store, gone)
        except StorageError as error:
            _log.warning("object_not_collected", key=gone.key, error=str(error))
            await self._pool.execute("UPDATE objects SET touched_at = now() WHERE id = $1", gone.id)
            return False
        _log.info("object_collected", key=gone.key)
        return True

    async def abort_uploads(self) -> int:
        """Abort uploads that are older than any, and that no row of the ledger names; give how many.

        Those that a row names go with it, two grace times after their writers fell silent.
        """
        return await self._store.abort_uploads(older_than=_CRASHED_AFTER)


def _count(status: str) -> int:
    return int(status.rpartition(" ")[2])
