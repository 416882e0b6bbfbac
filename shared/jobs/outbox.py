"""Telling workers of a job: the row is the outbox, and the sweeper tells again what was not told."""

from __future__ import annotations

import structlog
from asyncpg import InterfaceError, PostgresError

from shared.broker.base import Broker, Message
from shared.database.pool import Database
from shared.errors import BrokerError
from shared.jobs.models import Job

_log = structlog.get_logger()


async def announce(db: Database, broker: Broker, job: Job) -> bool:
    """Publish the wake-up of a committed job and note that it is out; may be repeated.

    A broker or a database that is away is no error, as the job is safe in its row: the answer tells.
    """
    message = Message(str(job.id).encode(), message_id=f"job-{job.id}", correlation_id=job.correlation_id)
    try:
        await broker.publish(job.kind.value, message)
        # Not where it was claimed meanwhile: it may be back already, and this was not about that.
        await db.execute(
            "UPDATE jobs SET published_at = now() WHERE id = $1 AND lease = $2", job.id, job.lease
        )
    except (BrokerError, OSError, PostgresError, InterfaceError) as error:
        _log.warning("announcement_failed", job_id=job.id, error=str(error))
        return False
    return True


async def mark_unpublished(db: Database) -> None:
    """Have every waiting job published anew, where the broker has lost its messages."""
    await db.execute("UPDATE jobs SET published_at = NULL WHERE state = 'queued'")
