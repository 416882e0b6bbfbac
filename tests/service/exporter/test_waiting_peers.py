"""Attack: addresses to upload to that accept an archive and never answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from services.exporter.wiring import make_exporters
from services.process.ports import Ports
from shared.broker.memory import MemoryBroker
from shared.database.pool import session
from shared.jobs import store as jobs
from shared.jobs.models import ExportOrder, Job, UploadTarget
from shared.jobs.outbox import announce
from shared.jobs.sealed_orders import OrderSealer
from shared.settings.environment import Settings
from tests.support.projects import Dock, project
from tests.support.receivers import receiving
from tests.support.sealing import sealer
from tests.support.waiting import until_row
from tests.support.workers import at_work

HANGING = 3
RUNNING = "SELECT count(*) = $1 FROM jobs WHERE kind = 'upload' AND state = 'running'"
ENDED = "SELECT count(*) = $1 FROM jobs WHERE kind = 'upload' AND state = 'finished'"


@asynccontextmanager
async def exporting(dock: Dock, database_url: str) -> AsyncIterator[MemoryBroker]:
    """The workers of one exporter, wired as in its process, with one slot for exports and no sweeper."""
    broker = MemoryBroker()
    ports = Ports(dock.pool, dock.store, broker, partial(session, database_url), sealer())
    settings = Settings(
        allow_local_requests_from_web_hooks_and_services=True, small_job_concurrency=1, drain_seconds=0
    )
    async with at_work(make_exporters(ports, settings)):
        yield broker


async def _ordered(dock: Dock, broker: MemoryBroker, *, upload: str | None = None) -> Job:
    order = ExportOrder(upload=UploadTarget(url=upload) if upload else None)
    sealed = OrderSealer(sealer()).seal(order, project_id=1)
    job = await jobs.enqueue(dock.pool, sealed, project_id=1, user_id=1, correlation_id="c")
    await announce(broker, job)
    return job


async def test_uploads_that_nobody_answers_leave_the_exporter_free(dock: Dock, database_url: str) -> None:
    assert (await dock.run_import(project())).error is None
    never = asyncio.Event()
    async with receiving() as receiver, exporting(dock, database_url) as broker:
        receiver.meanwhile = never.wait
        for _ in range(HANGING):
            await _ordered(dock, broker, upload=f"{receiver.url}/x?sig=secret")
        await until_row(dock.pool, RUNNING, HANGING)

        job = await _ordered(dock, broker)
        await until_row(dock.pool, "SELECT state = 'finished' FROM jobs WHERE id = $1", job.id)

        assert await dock.pool.fetchval(RUNNING, HANGING)
        never.set()
        await until_row(dock.pool, ENDED, HANGING)
    assert len(receiver.taken) == HANGING
