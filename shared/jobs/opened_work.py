"""Opened work: a job reaches its worker with the addresses of its order, which its row has sealed."""

from __future__ import annotations

from dataclasses import replace

from shared.errors import CrossdockError
from shared.jobs.models import Job, Lease
from shared.jobs.progress import Progress
from shared.jobs.sealed_orders import OrderSealer
from shared.jobs.worker import Work


class OpenedWork:
    """Wraps a Work. A job whose address does not open fails with SecretUnreadable."""

    def __init__(self, work: Work, sealer: OrderSealer) -> None:
        self._work = work
        self._sealer = sealer

    async def run(self, job: Job, lease: Lease, progress: Progress) -> None:
        """See Work."""
        await self._work.run(replace(job, order=self._sealer.open(job)), lease, progress)

    async def explain(self, job: Job, error: CrossdockError) -> str:
        """See Work."""
        return await self._work.explain(job, error)
