"""Snapshots of which exports with a map of people are made: one for each snapshot, of the map used last.

They are kept for as long as their base, and as long as an archive is made of them.
"""

from __future__ import annotations

from functools import partial

from asyncpg import ForeignKeyViolationError

from shared.database.pool import Connection, Database, Pool
from shared.projects.content import ProjectGone
from shared.snapshots import appending, runs
from shared.snapshots.errors import SnapshotGone
from shared.snapshots.models import Body
from shared.snapshots.reading import KEPT
from shared.snapshots.rows import Rows


async def find_mapped(db: Database, base: int, digest: bytes) -> int | None:
    """Find the snapshot that was made of ``base`` for the map with this digest."""
    found: int | None = await db.fetchval(
        "SELECT snapshot_id FROM mapped_snapshots WHERE base_id = $1 AND digest = $2", base, digest
    )
    return found


async def open_mapped(pool: Pool, *, project_id: int) -> tuple[int, Rows]:
    """Open a snapshot, and give what writes its rows. Nobody reads it before it is committed.

    Keep it prolonged from now on: it is collected five minutes after its writer has died. Raises ProjectGone.
    """
    try:
        snapshot_id: int = await pool.fetchval(
            "INSERT INTO snapshots (project_id, read_until) VALUES ($1, now() + $2) RETURNING id",
            project_id, KEPT,
        )  # fmt: skip
    except ForeignKeyViolationError:
        raise ProjectGone(project_id) from None
    return snapshot_id, Rows(partial(appending.append, pool, snapshot_id=snapshot_id))


async def commit_mapped(
    db: Connection, *, base: int, digest: bytes, snapshot_id: int, body: Body | None, content_sha256: bytes
) -> None:
    """Commit a snapshot that was made of ``base``, in place of one for another map. Raises SnapshotGone."""
    committed = await db.fetchval(
        f"""UPDATE snapshots SET committed_at = now(), content_sha256 = $3,
                features = (SELECT features FROM snapshots WHERE id = $2),
                ({", ".join(runs.TOTALS)}) = ROW ($4, $5, $6, $7, $8, $9)
            WHERE id = $1 RETURNING true""",  # noqa: S608  # fixed texts
        snapshot_id, base, content_sha256, *runs.totals_of(body),
    )  # fmt: skip
    if not committed:
        raise SnapshotGone(snapshot_id)
    await db.execute(
        """INSERT INTO mapped_snapshots (base_id, digest, snapshot_id) VALUES ($1, $2, $3)
           ON CONFLICT (base_id) DO UPDATE
           SET digest = excluded.digest, snapshot_id = excluded.snapshot_id""",
        base, digest, snapshot_id,
    )  # fmt: skip
