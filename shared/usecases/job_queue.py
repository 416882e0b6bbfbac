"""The queue of jobs: inserts new jobs, with sealed addresses, and announces them after the commit."""

from __future__ import annotations

from functools import partial

from shared.accounts.models import User
from shared.database.pool import Connection
from shared.database.transactions import after_commit
from shared.jobs import store
from shared.jobs.announcer import Announcer
from shared.jobs.models import Job, JobOrder
from shared.jobs.sealed_orders import OrderSealer
from shared.projects.models import Project
from shared.sealing.sealer import Sealer
from shared.usecases.job_origin import JobOrigin


class JobQueue:
    """Queues jobs, each for ``attempts`` attempts. A small import has up to ``small`` bytes."""

    def __init__(self, announcer: Announcer, *, sealer: Sealer, attempts: int, small: int) -> None:
        self._announcer = announcer
        self._sealer = OrderSealer(sealer)
        self._attempts = attempts
        self._small = small

    async def enqueue(  # what a job is made of
        self,
        db: Connection,
        order: JobOrder,
        *,
        project: Project,
        user: User,
        origin: JobOrigin,
        object_id: int | None = None,
        upload_id: int | None = None,
        parent_id: int | None = None,
    ) -> Job:
        """Insert a queued job in the caller's transaction. The caller announces it after the commit."""
        sealed = self._sealer.seal(order, project_id=project.id)
        return await store.enqueue(
            db, sealed, project_id=project.id, user_id=user.id, correlation_id=origin.correlation_id,
            object_id=object_id, upload_id=upload_id, parent_id=parent_id, max_attempts=self._attempts,
            traceparent=origin.traceparent, small=self._small, retry_of=origin.retry_of,
        )  # fmt: skip

    def order_of(self, job: Job) -> JobOrder:
        """Return the order of a job with its address opened. Raises SecretUnreadable."""
        return self._sealer.open(job)

    def announce(self, job: Job) -> None:
        """Wake a worker for a job once it is committed, without a wait for the broker. May be repeated."""
        after_commit(partial(self._announcer.announce, job))
