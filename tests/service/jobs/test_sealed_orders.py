from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from shared.database.pool import Pool
from shared.errors import CrossdockError
from shared.jobs import store
from shared.jobs.models import ExportOrder, ImportOrder, Job, JobOrder, Lease, RemoteSource, UploadTarget
from shared.jobs.opened_work import OpenedWork
from shared.jobs.progress import Progress
from shared.jobs.sealed_orders import OrderSealer
from shared.sealing.errors import SecretUnreadable
from tests.support.jobs import claimed, migrated
from tests.support.sealing import OTHER_KEY, opened, sealer

URL = "https://example.com/hunter2?sig=hunter2"
SOURCE = ImportOrder(source=RemoteSource(url=URL))
UPLOAD = ExportOrder(description="d", upload=UploadTarget(url=URL, method="POST"))
SEALER = OrderSealer(sealer())


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with migrated(database_url) as opened_pool:
        yield opened_pool


async def enqueue(pool: Pool, order: JobOrder) -> Job:
    sealed = SEALER.seal(order, project_id=1)
    return await store.enqueue(pool, sealed, project_id=1, user_id=1, correlation_id="c")


class Seen:
    """Remembers the order that reaches it."""

    order: JobOrder | None = None

    async def run(self, job: Job, lease: Lease, progress: Progress) -> None:
        """See Work."""
        self.order = job.order

    async def explain(self, job: Job, error: CrossdockError) -> str:
        """See Work."""
        return str(error)


@pytest.mark.parametrize("order", [SOURCE, UPLOAD])
async def test_the_row_of_a_job_does_not_have_its_address(pool: Pool, order: JobOrder) -> None:
    job = await enqueue(pool, order)
    assert "hunter2" not in await pool.fetchval("SELECT jobs::text FROM jobs")
    assert opened(job) == order
    assert SEALER.seal(job.order, project_id=1) == job.order


@pytest.mark.parametrize("order", [SOURCE, UPLOAD])
async def test_an_address_does_not_open_for_another_project_or_another_purpose(
    pool: Pool, order: JobOrder
) -> None:
    await enqueue(pool, order)
    await pool.execute("INSERT INTO projects (namespace_id, path, name) VALUES (1, 'q', 'q')")
    await pool.execute("UPDATE jobs SET project_id = 2")
    moved = await store.find(pool, 1)
    assert moved is not None
    with pytest.raises(SecretUnreadable):
        opened(moved)


@pytest.mark.parametrize("order", [SOURCE, UPLOAD, ExportOrder()])
async def test_the_work_is_given_what_was_ordered(pool: Pool, order: JobOrder) -> None:
    seen = Seen()
    job = await enqueue(pool, order)
    await OpenedWork(seen, SEALER).run(job, await claimed(pool, job), Progress())
    assert seen.order == order


async def test_an_address_of_a_version_before_is_still_good(pool: Pool) -> None:
    job = await store.enqueue(pool, UPLOAD, project_id=1, user_id=1, correlation_id="c")
    assert opened(job) == UPLOAD


async def test_a_job_whose_key_is_lost_says_so_and_does_nothing(pool: Pool) -> None:
    seen = Seen()
    job = await enqueue(pool, UPLOAD)
    with pytest.raises(SecretUnreadable, match="it has to be given anew"):
        await OpenedWork(seen, OrderSealer(sealer(OTHER_KEY))).run(job, Lease(1, 1), Progress())
    assert seen.order is None
