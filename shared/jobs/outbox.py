"""Telling workers of a job: the row is the outbox, and the sweeper tells again what was not told."""

from __future__ import annotations

import structlog

from shared.broker.base import Broker, Message
from shared.database.pool import Database
from shared.errors import BrokerError
from shared.jobs.models import Job

_log = structlog.get_logger()


async def announce(db: Database, broker: Broker, job: Job) -> None:
    """Publish the wake-up of a committed job and note that it is out; may be repeated.

    A broker that is away is no error: the job is safe in its row.
    """
    message = Message(str(job.id).encode(), message_id=f"job-{job.id}", correlation_id=job.correlation_id)
    try:
        await broker.publish(job.kind.value, message)
    except BrokerError:
        _log.warning("announcement_failed", job_id=job.id, exc_info=True)
        return
    await db.execute("UPDATE jobs SET published_at = now() WHERE id = $1", job.id)
