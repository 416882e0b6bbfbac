"""Schedules that back projects up into a bucket of a real S3, with all that does it in this process."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from services.exporter.wiring import make_exporters
from services.process.maintenance import make_run_keeper
from services.process.ports import Ports
from services.process.run_keeper import RunKeeper
from shared.accounts.models import User
from shared.beside import beside
from shared.catalogue.archives import Catalogue, read_catalogue
from shared.database.pool import session
from shared.schedules import runs
from shared.schedules.models import Run, RunProject
from shared.schedules.runs import ENDS
from shared.settings.environment import Settings
from shared.storage.s3 import S3Config, S3Store, s3_store
from tests.support.api import EXTERNAL_URL, Answer, Api, running_api
from tests.support.buckets import made_bucket
from tests.support.sealing import KEY, sealer
from tests.support.seaweedfs import S3Server
from tests.support.waiting import until_row
from tests.support.workers import at_work

HERE = "/api/crossdock/v1"
_IDLE = "SELECT count(*) = 0 FROM jobs WHERE kind = 'backup' AND finished_at IS NULL"


@dataclass(slots=True)
class Vault:
    """An api, an exporter and the keeper of runs; ``bucket`` is that of a destination of ann's."""

    api: Api
    ann: User
    keeper: RunKeeper
    ports: Ports
    settings: Settings
    server: S3Server
    bucket: S3Store
    prefix: str
    destination: int = 0

    async def call(self, method: str, path: str, *, by: str = "ann", **body: Any) -> Answer:
        """Make a call of our own API."""
        return await self.api.call(method, f"{HERE}{path}", by=by, json=body)

    async def new_destination(self, name: str = "vault", **more: Any) -> int:
        """A destination of ann's, in the bucket unless something else is given."""
        given = {
            "name": name, "kind": "s3", "endpoint": self.server.endpoint, "bucket": self.server.bucket,
            "prefix": self.prefix, "access_key_id": self.server.access_key,
            "secret_access_key": self.server.secret_key, **more,
        }  # fmt: skip
        answer = await self.call("POST", "/destinations", **given)
        assert answer.status == 201, answer.body
        return int(answer.body["id"])

    async def new_schedule(self, name: str = "nightly", **more: Any) -> int:
        """A schedule of ann's, of all projects unless something else is given."""
        named = {"projects", "group", "patterns"} & more.keys()
        given: dict[str, Any] = {
            "name": name, "destination_id": self.destination, "cron": "0 2 * * *", "all": not named,
        }  # fmt: skip
        given |= more
        answer = await self.call("POST", "/schedules", **given)
        assert answer.status == 201, answer.body
        return int(answer.body["id"])

    async def start(self, schedule: int) -> int:
        """Start a run now."""
        answer = await self.call("POST", f"/schedules/{schedule}/run")
        assert answer.status == 202, answer.body
        return int(answer.body["id"])

    async def finish(self, run_id: int) -> Run:
        """Keep a run going, with an exporter, until it has ended."""
        async with at_work(make_exporters(self.ports, self.settings)):
            while (run := await self.find(run_id)).state not in ENDS:
                await self.keeper.make_round()
                await self.keeper.close_all()
                await until_row(self.api.pool, _IDLE)
        return run

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Have an exporter at work, and the keeper make its rounds by itself, for a block."""
        async with at_work(make_exporters(self.ports, self.settings)), beside(self.keeper.run()):
            yield

    async def back_up(self, schedule: int) -> Run:
        """Start a run, and keep it going until it has ended."""
        return await self.finish(await self.start(schedule))

    async def find(self, run_id: int) -> Run:
        """The run as it is."""
        run = await runs.find(self.api.pool, run_id)
        assert run is not None
        return run

    async def projects(self, run: Run) -> list[RunProject]:
        """What came of the projects of a run."""
        return [*await runs.list_projects(self.api.pool, run.id, limit=1000)]

    async def catalogue(self) -> Catalogue:
        """What the bucket keeps, as the command line reads it."""
        return await read_catalogue(self.bucket)

    async def keys(self, prefix: str = "") -> list[str]:
        """The keys of the bucket."""
        return [found.key async for found in self.bucket.list(prefix)]


def refusal(answer: Answer) -> Any:
    """The problem document of an answer."""
    return json.loads(answer.body)


@asynccontextmanager
async def running_vault(url: str, folder: Path, server: S3Server, **more: Any) -> AsyncIterator[Vault]:
    """Start it, with a destination."""
    await made_bucket(server)
    prefix = uuid4().hex
    config = S3Config(
        endpoint_url=server.endpoint, bucket=server.bucket, prefix=f"{prefix}/",
        access_key=server.access_key, secret_key=server.secret_key,
    )  # fmt: skip
    allowed: dict[str, Any] = {"outbound_local_requests_allowlist": ("127.0.0.1",)}
    async with running_api(url, folder / "objects", **allowed) as api, s3_store(config) as bucket:
        settings = _settings(more)
        ports = Ports(api.pool, api.store, api.broker, partial(session, url), sealer())
        keeper = make_run_keeper(ports, settings)
        vault = Vault(api, await api.user("ann"), keeper, ports, settings, server, bucket, prefix)
        vault.destination = await vault.new_destination()
        yield vault


def _settings(more: dict[str, Any]) -> Settings:
    given: dict[str, Any] = {
        "outbound_local_requests_allowlist": "127.0.0.1", "drain_seconds": 0, "sweep_seconds": 0.1,
        "external_url": EXTERNAL_URL, "signing_key": KEY,
    }  # fmt: skip
    return Settings(**(given | more))
