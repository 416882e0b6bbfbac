"""The parts of an upload in parts that its target has taken, as rows: the next attempt goes on behind them.

They go when the upload has finished or is aborted, else with its job.
"""

from __future__ import annotations

from shared.database.pool import Database, Pool
from shared.errors import LeaseLost
from shared.jobs.models import Lease
from shared.jobs.store import FORGOTTEN

_HELD = "SELECT id FROM jobs WHERE id = $1 AND lease = $2 AND state = 'running' FOR NO KEY UPDATE"


async def list_sent(db: Database, job_id: int) -> dict[int, str]:
    """Give the entity tag of each part that was taken, by its number: of 10,000 at most."""
    rows = await db.fetch("SELECT number, etag FROM sent_parts WHERE job_id = $1 ORDER BY number", job_id)
    return {row["number"]: row["etag"] for row in rows}


async def add_sent(db: Database, lease: Lease, number: int, etag: str) -> None:
    """Keep that a part was taken. Raises LeaseLost."""
    added = await db.fetchval(
        f"""INSERT INTO sent_parts (job_id, number, etag) SELECT id, $3, $4 FROM ({_HELD}) held
            ON CONFLICT (job_id, number) DO UPDATE SET etag = excluded.etag RETURNING true""",  # noqa: S608  # fixed texts
        lease.job_id, lease.token, number, etag,
    )  # fmt: skip
    if not added:
        raise LeaseLost(lease.job_id)


async def remove_sent(db: Database, job_id: int) -> None:
    """Remove the parts of an upload that has ended."""
    await db.execute("DELETE FROM sent_parts WHERE job_id = $1", job_id)


async def forget_upload(pool: Pool, lease: Lease) -> None:
    """Forget the parts and the addresses of an upload that was aborted: nothing can be sent there any more.

    Does nothing where the lease is lost.
    """
    async with pool.acquire() as db, db.transaction():
        if await db.fetchval(_HELD, lease.job_id, lease.token):
            await db.execute(f"UPDATE jobs SET payload = {FORGOTTEN} WHERE id = $1", lease.job_id)  # noqa: S608  # fixed texts
            await remove_sent(db, lease.job_id)
