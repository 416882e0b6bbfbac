"""Pushes in Postgres: a push is opened, written to for as long as it takes, then committed or aborted.

There is no lease of a job here; the row in ``pushes`` is the fence. The last transaction of every request
locks it by ``hold``, which fails once the push is committed or past its time, and postpones that time. The
collector locks the row in ``snapshots`` before it looks at the time, and ``hold`` takes a shared lock on the
same row: nothing is written into a snapshot that is being collected.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.database.pool import Connection, Database, Pool, Row
from shared.errors import CrossdockError, Fault
from shared.gitlab.features import ProjectFeatures
from shared.snapshots import appending, lifecycle, quarantine

MOST_OPEN = 20
"""Pushes of one project that may be open at a time; each may name millions of entries."""

_COLUMNS = """s.id, s.project_id, s.created_at, s.committed_at,
              p.base_id, p.entries, p.raw_size, p.changes, p.attributes, p.expires_at"""
_THERE = "(p.expires_at > now() OR s.committed_at IS NOT NULL)"
"""The SQL condition that a push is visible: one past its time is hidden before it is collected."""


class PushGone(CrossdockError):
    """There is no such push: it was never opened, was aborted, or is past its time."""

    code = "push_gone"
    fault = Fault.CLIENT

    def __init__(self, snapshot_id: int) -> None:
        super().__init__(f"snapshot {snapshot_id} is not there any more")


class PushCommitted(CrossdockError):
    """The push is committed: its content does not change any more."""

    code = "push_committed"
    fault = Fault.CLIENT

    def __init__(self, snapshot_id: int) -> None:
        super().__init__(f"snapshot {snapshot_id} is committed, and cannot be changed any more")


class PushMoving(CrossdockError):
    """A request changed the push while it was checked whether the push can be committed."""

    code = "push_moving"
    fault = Fault.CLIENT

    def __init__(self, snapshot_id: int) -> None:
        super().__init__(f"snapshot {snapshot_id} was written to while it was committed: try again")


class TooManyPushes(CrossdockError):
    """The project has as many open pushes as it may have."""

    code = "too_many_pushes"
    fault = Fault.CLIENT

    def __init__(self) -> None:
        super().__init__(f"over the limit of {MOST_OPEN} open snapshots: commit some, or throw them away")


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """A push as it was when read.

    ``raw_size`` is in bytes; ``changes`` grows with every change of the content; ``attributes`` are those
    that were sent for the project itself; ``base_id`` is the project's snapshot at the time of opening.
    """

    id: int
    project_id: int
    base_id: int | None
    entries: int
    raw_size: int
    changes: int
    attributes: Mapping[str, object] | None
    created_at: datetime
    committed_at: datetime | None
    expires_at: datetime


async def find(db: Database, project_id: int, snapshot_id: int) -> Push | None:
    """Find a push of the project, open or committed."""
    row = await db.fetchrow(
        f"""SELECT {_COLUMNS} FROM pushes p JOIN snapshots s ON s.id = p.snapshot_id
            WHERE s.id = $1 AND s.project_id = $2 AND {_THERE}""",  # noqa: S608  # fixed texts
        snapshot_id, project_id,
    )  # fmt: skip
    return _push(row) if row else None


async def list_open(db: Database, project_id: int) -> list[Push]:
    """List the open pushes of a project, the oldest first."""
    rows = await db.fetch(
        f"""SELECT {_COLUMNS} FROM pushes p JOIN snapshots s ON s.id = p.snapshot_id
            WHERE s.project_id = $1 AND s.committed_at IS NULL AND p.expires_at > now() ORDER BY s.id""",  # noqa: S608  # fixed texts
        project_id,
    )
    return [_push(row) for row in rows]


def _push(row: Row) -> Push:
    return Push(**dict(row))


async def open_push(db: Connection, project_id: int, *, with_content: bool, idle: timedelta) -> Push:
    """Open a push, within a transaction: empty, or with all entries of the project's current snapshot.

    Raises TooManyPushes. Requests at the same time may exceed the limit by as many as they are.
    """
    if len(await list_open(db, project_id)) >= MOST_OPEN:
        raise TooManyPushes
    base = await db.fetchval(
        # Locked, so that the collector leaves it until all of it is copied.
        """SELECT s.id FROM snapshots s JOIN projects p ON p.snapshot_id = s.id
           WHERE p.id = $1 FOR KEY SHARE OF s""",
        project_id,
    )
    snapshot_id: int = await db.fetchval(
        "INSERT INTO snapshots (project_id) VALUES ($1) RETURNING id", project_id
    )
    if with_content and base is not None:
        await appending.copy_rows(db, base=base, snapshot_id=snapshot_id)
        await quarantine.share(db, base=base, snapshot_id=snapshot_id)
    await db.execute(
        """INSERT INTO pushes (snapshot_id, base_id, expires_at, entries, raw_size)
           SELECT $1, $2, now() + $3, count(*), coalesce(sum(raw_size), 0)
           FROM entries WHERE snapshot_id = $1""",
        snapshot_id, base, idle,
    )  # fmt: skip
    opened = await find(db, project_id, snapshot_id)
    assert opened is not None  # noqa: S101  # it has just been made
    return opened


async def hold(db: Connection, push: Push, *, idle: timedelta) -> Push:
    """Lock an open push for the rest of the transaction, and postpone its time by ``idle`` from now.

    Raises PushGone and PushCommitted. The holder is the only writer, and a commit waits until it has ended.
    """
    held = await _locked(db, push)
    if held.committed_at is not None:
        raise PushCommitted(push.id)
    await db.execute("UPDATE pushes SET expires_at = now() + $2 WHERE snapshot_id = $1", push.id, idle)
    return held


async def _locked(db: Connection, push: Push) -> Push:
    # The snapshot before the push, in the order of the collector and of abort: no deadlock between them.
    # Shared, as requests of one push must not wait for each other here.
    await db.execute("SELECT FROM snapshots WHERE id = $1 FOR KEY SHARE", push.id)
    await db.execute("SELECT FROM pushes WHERE snapshot_id = $1 FOR NO KEY UPDATE", push.id)
    found = await find(db, push.project_id, push.id)
    if found is None:
        raise PushGone(push.id)
    return found


async def prolong(pool: Pool, push: Push, *, idle: timedelta) -> Push:
    """Postpone the time of an open push, and give the push. Raises PushGone and PushCommitted."""
    async with pool.acquire() as db, db.transaction():
        return await hold(db, push, idle=idle)


async def abort(pool: Pool, push: Push) -> None:
    """Delete an open push; the collector removes its objects. Raises PushGone and PushCommitted."""
    async with pool.acquire() as db, db.transaction():
        # The lock that DELETE needs, taken first: to upgrade the shared lock of ``hold`` could deadlock.
        await db.execute("SELECT FROM snapshots WHERE id = $1 FOR UPDATE", push.id)
        await hold(db, push, idle=timedelta(0))
        await db.execute("DELETE FROM snapshots WHERE id = $1", push.id)


async def commit(db: Connection, push: Push, *, features: ProjectFeatures, force: bool) -> bool:
    """Make the push the project's current snapshot, within a transaction; give False where it already was.

    ``push`` is the state that was checked, and of which ``features`` were read: raises PushMoving where the
    content has changed since. Raises SnapshotOutdated where the project's content is not that of the opening,
    unless ``force``. Raises PushGone. May be repeated.
    """
    # The project before the snapshot, in the order in which DELETE of a project locks them.
    await db.execute("SELECT FROM projects WHERE id = $1 FOR NO KEY UPDATE", push.project_id)
    held = await _locked(db, push)
    if held.committed_at is not None:
        return False
    if held.changes != push.changes:
        raise PushMoving(push.id)
    base = await lifecycle.current(db, push.project_id) if force else push.base_id
    await lifecycle.commit_on_base(
        db, base=base, snapshot_id=push.id, project_id=push.project_id, features=features
    )
    await db.execute("UPDATE pushes SET expires_at = now() WHERE snapshot_id = $1", push.id)
    return True
