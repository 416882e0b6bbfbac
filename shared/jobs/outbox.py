"""Wake-ups of workers: the job's row is the outbox, and the sweeper publishes what was not published."""

from __future__ import annotations

import structlog
from asyncpg import InterfaceError, PostgresError

from shared.broker.base import Broker, Message
from shared.database.pool import Database
from shared.errors import BrokerError
from shared.jobs.models import Job
from shared.logs import describe

_log = structlog.get_logger()


async def announce(db: Database, broker: Broker, job: Job) -> bool:
    """Publish the wake-up of a committed job, and record that; give whether both worked. May be repeated.

    A broker or database that is away is no error, as the job is safe in its row.
    """
    message = Message(str(job.id).encode(), message_id=f"job-{job.id}", correlation_id=job.correlation_id)
    try:
        await broker.publish(job.kind.value, message)
        # With the lease: a job that was claimed meanwhile may be queued again, and needs its own wake-up.
        await db.execute(
            "UPDATE jobs SET published_at = now() WHERE id = $1 AND lease = $2", job.id, job.lease
        )
    except (BrokerError, OSError, PostgresError, InterfaceError) as error:
        _log.warning("announcement_failed", job_id=job.id, error=describe(error))
        return False
    return True


async def mark_unpublished(db: Database) -> None:
    """Have the sweeper publish every queued job again, after the broker has lost its messages."""
    await db.execute("UPDATE jobs SET published_at = NULL WHERE state = 'queued'")
