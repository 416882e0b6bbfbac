"""What a job has come to at a peer, as a row: it goes on there, whatever ended an attempt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.database.pool import Database
from shared.errors import LeaseLost
from shared.jobs.models import Lease

_HELD = """WITH held AS (
    SELECT id FROM jobs WHERE id = $1 AND lease = $2 AND state = 'running' FOR NO KEY UPDATE)"""
_READ = "RETURNING begun_at, heard_at, asked_at, asks, remote_id, size, now() AS now"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """What the row of a job says, and ``now``, by the database's clock.

    The peer has last answered at ``heard_at``. It was asked for an export ``asks`` times, the last time at
    ``asked_at``, which is None where it is to be asked anew. Of what goes there, an archive of ``size`` bytes
    was sent at ``asked_at``, and ``remote_id`` is the project that the peer makes of it.
    """

    begun_at: datetime
    heard_at: datetime
    asked_at: datetime | None
    asks: int
    remote_id: int | None
    size: int
    now: datetime

    @property
    def lasts(self) -> timedelta:
        """How long the job has waited for the peer in all."""
        return self.now - self.begun_at

    @property
    def silence(self) -> timedelta:
        """How long the peer has not answered."""
        return self.now - self.heard_at


class Transfers:
    """The row of one job. Every method raises LeaseLost where another worker has the job."""

    def __init__(self, db: Database, lease: Lease) -> None:
        self._db = db
        self._lease = lease

    async def begin(self) -> Transfer:
        """Give the row, which the first attempt makes."""
        return await self._write(
            """INSERT INTO peer_transfers AS t (job_id) SELECT id FROM held
               ON CONFLICT (job_id) DO UPDATE SET job_id = t.job_id"""
        )

    async def hear(self) -> Transfer:
        """Note that the peer has answered."""
        return await self._change("heard_at = now()")

    async def ask(self) -> Transfer:
        """Note that the peer was asked for an export."""
        return await self._change("heard_at = now(), asked_at = now(), asks = asks + 1")

    async def lose(self) -> Transfer:
        """Note that the peer has no export any more, and is to be asked anew."""
        return await self._change("heard_at = now(), asked_at = NULL")

    async def send(self, size: int) -> Transfer:
        """Note that an archive of ``size`` bytes is sent now."""
        return await self._change("heard_at = now(), asked_at = now(), asks = asks + 1, size = $3", size)

    async def arrive(self, remote_id: int) -> Transfer:
        """Note that the peer has the archive, and makes this project of it."""
        return await self._change("heard_at = now(), remote_id = $3", remote_id)

    async def _change(self, change: str, *values: int) -> Transfer:
        statement = f"UPDATE peer_transfers t SET {change} FROM held WHERE t.job_id = held.id"  # noqa: S608  # fixed texts
        return await self._write(statement, *values)

    async def _write(self, statement: str, *values: int) -> Transfer:
        lease = self._lease
        row = await self._db.fetchrow(f"{_HELD} {statement} {_READ}", lease.job_id, lease.token, *values)
        if row is None:
            raise LeaseLost(self._lease.job_id)
        return Transfer(**row)
