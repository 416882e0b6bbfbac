"""Wake-ups are published beside the requests that make jobs: nobody waits for a broker that stands still."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from shared.broker.base import Message
from shared.broker.memory import MemoryBroker
from shared.jobs.announcer import Announcer
from shared.jobs.models import JobKind
from tests.support.api import ARCHIVE, running_api
from tests.support.forms import BOUNDARY, Part, form_body
from tests.support.jobs import migrated, queued

KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"


class Still(MemoryBroker):
    """A broker that takes connections and messages and confirms none, as one that is stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = 0
        self.goes_on = asyncio.Event()

    async def publish(self, queue: str, message: Message) -> None:
        self.waiting += 1
        try:
            await self.goes_on.wait()
        finally:
            self.waiting -= 1
        await super().publish(queue, message)


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": KEY}], ids=["plain", "with a key"])
async def test_requests_are_answered_while_the_broker_stands_still(
    database_url: str, tmp_path: Path, headers: dict[str, str]
) -> None:
    broker = Still()
    async with running_api(database_url, tmp_path, broker=broker) as api:
        project = await api.project(await api.user("ann"))
        body = form_body([Part("path", "p"), Part("file", ARCHIVE, "x.tar.gz")])
        form = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        imported = await api.post("/projects/import", by="ann", data=body, headers={**form, **headers})
        exported = await api.post(f"/projects/{project.id}/export", by="ann", headers=headers)
        job = await api.newest(project, JobKind.EXPORT)
        await api.failed(job, "x")
        retried = await api.call("POST", f"/api/crossdock/v1/jobs/{job.id}/retry", by="ann", headers=headers)

        assert [imported.status, exported.status, retried.status] == [201, 202, 201]
        assert broker.waiting == 3
        broker.goes_on.set()


async def test_wake_ups_that_wait_are_bounded_in_number_and_time(database_url: str) -> None:
    async with migrated(database_url) as pool:
        jobs = [await queued(pool) for _ in range(3)]
    broker = Still()
    announcer = Announcer(broker, most=2, patience=timedelta(hours=1))
    for job in jobs:
        announcer.announce(job)
    await asyncio.sleep(0)  # the tasks begin with the loop's next turn
    assert broker.waiting == 2

    await announcer.close(within=timedelta(0))
    assert broker.waiting == 0

    impatient = Announcer(broker, most=2, patience=timedelta(0))
    impatient.announce(jobs[0])
    await impatient.close(within=timedelta(minutes=1))
    assert broker.waiting == 0


async def test_wake_ups_are_sent_before_the_process_ends(database_url: str) -> None:
    async with migrated(database_url) as pool:
        job = await queued(pool)
    broker = Still()
    announcer = Announcer(broker, most=2, patience=timedelta(hours=1))
    announcer.announce(job)
    broker.goes_on.set()
    await announcer.close(within=timedelta(minutes=1))
    async with broker.consume("export", prefetch=1) as deliveries:
        assert (await anext(deliveries)).message.body == str(job.id).encode()
