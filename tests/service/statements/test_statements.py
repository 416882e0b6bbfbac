"""How many statements the database gets for what is done most often."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from io import BytesIO
from pathlib import Path

import pytest

from services.exporter.wiring import make_exporters
from services.importer.wiring import make_importers
from services.process.maintenance import run_maintenance
from services.process.ports import Ports
from services.process.worker import run_workers
from shared.database import leadership
from shared.database.pool import Pool, database, session
from shared.events import relay
from shared.jobs.models import JobKind
from shared.settings.environment import Settings
from tests.support.api import Api, running_api
from tests.support.forms import HEADERS, Part, form_body
from tests.support.projects import project
from tests.support.sealing import sealer
from tests.support.statements import Statements, tapped
from tests.support.waiting import until, until_row

IMPORT, EXPORT, STATUS = 30, 25, 2
"""The most statements of an import, an export, and a look at a status, from the request to the last event."""

HOUR = timedelta(hours=1)
ARCHIVE = project()


@dataclass(frozen=True, slots=True)
class House:
    """The api and all workers, whose statements are counted, and a pool whose are not."""

    api: Api
    sent: Statements
    pool: Pool
    events: list[str]

    async def import_one(self, path: str) -> int:
        """Import an archive, until the last event of that is published."""
        body = form_body([Part("path", path), Part("file", ARCHIVE, "x.tar.gz")])
        answer = await self.api.post("/projects/import", by="ann", data=BytesIO(body), headers=HEADERS)
        assert answer.status == 201, answer
        await self._settled()
        number: int = answer.body["id"]
        return number

    async def export_one(self, project_id: int) -> None:
        """Export a project, until the last event of that is published."""
        assert (await self.api.post(f"/projects/{project_id}/export", by="ann")).status == 202
        await self._settled()

    async def _settled(self) -> None:
        """Wait until every job has ended, its events are published, and its worker has looked for another."""
        jobs = await self.pool.fetchval("SELECT count(*) FROM jobs")
        await until_row(self.pool, "SELECT count(*) = $1 FROM jobs WHERE state = 'finished'", jobs)
        await until(lambda: len(self.events) == jobs * 3)
        await until(lambda: self._claims() == len(JobKind) + jobs * 2)

    def _claims(self) -> int:
        return sum("claim_jobs" in text for text in self.sent.texts)


@pytest.fixture
async def house(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    # What is done now and then is counted by itself.
    monkeypatch.setattr(relay, "BEAT", HOUR)
    monkeypatch.setattr(leadership, "BEAT", HOUR)
    settings = Settings(sweep_seconds=3600, lease_seconds=3600)
    async with (
        tapped(database_url) as sent,
        running_api(
            sent.url, tmp_path / "objects", project_import_limit=1000, project_export_limit=1000
        ) as api,
        database(database_url) as pool,
    ):
        await api.user("ann")
        events: list[str] = []
        api.broker.on_emit(lambda _topic, key, _message: events.append(key))
        ports = Ports(api.pool, api.store, api.broker, partial(session, sent.url), sealer())
        workers = [*make_importers(ports, settings), *make_exporters(ports, settings)]
        working = asyncio.create_task(run_workers(workers, run_maintenance(ports, settings)))
        try:
            await until(lambda: any("FROM webhooks WHERE id > $1" in text for text in sent.texts))
            yield House(api, sent, pool, events)  # after the first round of maintenance, which ends with that
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)


async def test_an_import_takes_at_most_30_statements(house: House) -> None:
    await house.import_one("first")  # every statement has its plan, every pool its connections
    before = house.sent.count
    await house.import_one("second")
    assert house.sent.count - before <= IMPORT, house.sent.table(before)


async def test_an_export_takes_at_most_25_statements(house: House) -> None:
    await house.export_one(await house.import_one("first"))  # as above
    number = await house.import_one("second")
    for _ in range(2):  # the first one asks the store for the objects
        before = house.sent.count
        await house.export_one(number)
        assert house.sent.count - before <= EXPORT, house.sent.table(before)


@pytest.mark.parametrize("what", ["import", "export"])
@pytest.mark.parametrize("named", ["id", "path"])
async def test_a_look_at_a_status_takes_two_statements_on_one_connection(
    house: House, what: str, named: str
) -> None:
    number = await house.import_one("first")
    await house.export_one(number)
    address = f"/projects/{number if named == 'id' else 'ann%2Ffirst'}/{what}"
    await house.api.get(address, by="ann")
    before = house.sent.count
    answer = await house.api.get(address, by="ann")
    assert answer.body[f"{what}_status"] == "finished"
    assert house.sent.count - before <= STATUS, house.sent.table(before)
