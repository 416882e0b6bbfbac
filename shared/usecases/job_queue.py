"""New jobs: how each is queued, and announced to the workers once it is committed."""

from __future__ import annotations

from shared.accounts.models import User
from shared.broker.base import Broker
from shared.database.pool import Connection, Pool
from shared.jobs import store
from shared.jobs.models import Job, JobOrder
from shared.jobs.outbox import announce
from shared.projects.models import Project
from shared.usecases.origin import JobOrigin


class JobQueue:
    """Queues jobs. ``attempts`` is how often each may be tried."""

    def __init__(self, pool: Pool, broker: Broker, *, attempts: int) -> None:
        self._pool = pool
        self._broker = broker
        self._attempts = attempts

    async def enqueue(  # what a job is made of
        self,
        db: Connection,
        order: JobOrder,
        *,
        project: Project,
        user: User,
        origin: JobOrigin,
        object_id: int | None = None,
    ) -> Job:
        """Insert a queued job, within the caller's transaction; announce it when that is committed."""
        return await store.enqueue(
            db, order, project_id=project.id, user_id=user.id, correlation_id=origin.correlation_id,
            object_id=object_id, max_attempts=self._attempts, traceparent=origin.traceparent,
        )  # fmt: skip

    async def announce(self, job: Job) -> None:
        """Wake a worker for a committed job; may be repeated. The sweeper does it without a broker."""
        await announce(self._pool, self._broker, job)
