"""Wake-ups of workers: the job's row is the outbox, and the sweeper publishes what was not published."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from shared.broker.base import Broker, Message
from shared.database.pool import Database
from shared.errors import BrokerError
from shared.jobs.models import Job
from shared.logs import describe

_log = structlog.get_logger()


async def announce(broker: Broker, job: Job) -> bool:
    """Publish the wake-up of a committed job, and tell whether that worked. May be repeated.

    A broker that is away is no error, as the job is safe in its row. Nothing is recorded: a new job that is
    still queued after a while is announced again by the sweeper, which records that.
    """
    message = Message(str(job.id).encode(), message_id=f"job-{job.id}", correlation_id=job.correlation_id)
    try:
        await broker.publish(job.kind.value, message)
    except (BrokerError, OSError) as error:
        _log.warning("announcement_failed", job_id=job.id, error=describe(error))
        return False
    return True


async def mark_published(db: Database, jobs: Sequence[Job]) -> None:
    """Record that the wake-ups of jobs are published, so that the sweeper leaves them alone for a while."""
    # With the lease: a job that was claimed meanwhile may be queued again, and needs its own wake-up.
    await db.execute(
        """UPDATE jobs SET published_at = now() FROM unnest($1::bigint[], $2::bigint[]) AS told (id, lease)
           WHERE jobs.id = told.id AND jobs.lease = told.lease""",
        [job.id for job in jobs], [job.lease for job in jobs],
    )  # fmt: skip


async def mark_unpublished(db: Database) -> None:
    """Have the sweeper publish every queued job again, after the broker has lost its messages."""
    await db.execute("UPDATE jobs SET published_at = NULL WHERE state = 'queued'")
