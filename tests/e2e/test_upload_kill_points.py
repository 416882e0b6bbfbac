"""The api dies between pieces of an upload, the importer amid them: the archive is imported whole, once."""

from __future__ import annotations

import asyncio
import hashlib
import signal
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest

from shared.broker.memory import MemoryBroker
from shared.database.pool import Pool, database
from shared.jobs.requeue import Requeue
from shared.ledger.collector import Collector
from shared.storage.s3 import s3_store
from shared.uploads.expiry import UploadExpiry
from tests.support.buckets import made_bucket
from tests.support.killed import POINT, KilledProcess
from tests.support.objects import s3_config
from tests.support.ports import free_ports
from tests.support.projects import project
from tests.support.rabbitmq import RabbitMQServer
from tests.support.seaweedfs import S3Server
from tests.support.system import System, answers, crossdock, distributed
from tests.support.tus import PIECE, TUS, UPLOADS
from tests.support.waiting import until, until_row

pytestmark = pytest.mark.timeout(300)

ARCHIVE = project(("uploads/a/noise", Random(3).randbytes(2 * 2**20)))  # noqa: S311  # the same every time
LONG_AGO = """UPDATE objects SET touched_at = now() - interval '1 day';
              UPDATE suspects SET due_at = now() - interval '1 day'"""
THIRD = len(ARCHIVE) // 3


@dataclass(frozen=True, slots=True)
class Harbour:
    """A Crossdock without importers, and a client of its uploads."""

    system: System
    session: aiohttp.ClientSession
    pool: Pool
    folder: Path

    async def ask(self, method: str, path: str, *, url: str = "", **more: Any) -> aiohttp.ClientResponse:
        """Ask the api that lives, or the one at ``url``."""
        headers = {"PRIVATE-TOKEN": self.system.token, **TUS} | more.pop("headers", {})
        answer = await self.session.request(
            method, f"{url or self.system.url}{path}", headers=headers, **more
        )
        await answer.read()
        return answer

    async def send(self, path: str, *, begin: int, end: int, url: str = "") -> aiohttp.ClientResponse:
        """Send a piece of the archive."""
        headers = {**PIECE, "Upload-Offset": str(begin)}
        return await self.ask("PATCH", path, url=url, headers=headers, data=BytesIO(ARCHIVE[begin:end]))

    async def kill_api(self, point: str, path: str) -> None:
        """Send the second piece to an api that dies of it."""
        (port,) = free_ports(1)
        process = self._started("api", point, CROSSDOCK_PORT=str(port))
        url = f"http://127.0.0.1:{port}"
        try:
            await asyncio.to_thread(process.wait_until, lambda: answers(f"{url}/-/readiness"))
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await self.send(path, begin=THIRD, end=2 * THIRD, url=url)
            assert await asyncio.to_thread(process.wait) == -signal.SIGKILL
        finally:
            process.stop(lambda _: None)

    async def kill_importer(self, point: str) -> None:
        """Have an importer work until it dies."""
        process = self._started("importer", point)
        try:
            assert await asyncio.to_thread(process.wait) == -signal.SIGKILL
        finally:
            process.stop(lambda _: None)

    def _started(self, service: str, point: str, **settings: str) -> KilledProcess:
        env = {**self.system.processes["api"].env, "CROSSDOCK_METRICS_PORT": "0", POINT: point, **settings}
        directory = self.folder / f"{service}-killed"
        directory.mkdir()
        return KilledProcess((service,), directory=directory, env=env)

    async def offset(self, path: str) -> int:
        """The offset, once the dead writer is taken for dead."""

        async def look() -> str:
            answer = await self.ask("HEAD", path)
            assert answer.status in (200, 423)
            return answer.headers.get("Upload-Offset", "")

        return int(await until(look))

    async def work(self) -> None:
        """Have the leases of the dead end now, and an importer that nobody kills do all that there is."""
        await self.pool.execute("UPDATE jobs SET lease_expires_at = now() WHERE state = 'running'")
        await Requeue(self.pool, MemoryBroker()).requeue_lost()
        env = {**self.system.processes["api"].env, "CROSSDOCK_METRICS_PORT": "0"}
        with ExitStack() as resources:
            crossdock("importer", directory=self.folder / "sound", env=env, resources=resources)
            await until_row(self.pool, "SELECT count(*) = 0 FROM jobs WHERE finished_at IS NULL", seconds=90)


@pytest.fixture
async def harbour(
    database_url: str, rabbitmq_server: RabbitMQServer, s3_server: S3Server, queue_prefix: str, tmp_path: Path
) -> AsyncIterator[Harbour]:
    await made_bucket(s3_server)
    with distributed(
        database_url=database_url,
        broker_url=rabbitmq_server.url,
        s3=s3_server,
        importers=0,
        exporters=0,
        CROSSDOCK_BROKER_PREFIX=queue_prefix,
        CROSSDOCK_LEASE_SECONDS="600",
    ) as system:
        async with aiohttp.ClientSession() as session, database(database_url, size=2) as pool:
            yield Harbour(system, session, pool, tmp_path)


async def _left(harbour: Harbour, s3: S3Server) -> list[str]:
    """The pieces in the bucket once nothing more is to be collected."""
    async with s3_store(s3_config(s3, prefix=harbour.system.s3_prefix)) as store:
        await UploadExpiry(harbour.pool).remove_uploads()
        for _ in range(3):
            await harbour.pool.execute(LONG_AGO)
            await Collector(harbour.pool, store, grace=timedelta(0)).collect_objects()
        return [each.key async for each in store.list("uploads/")]


@pytest.mark.parametrize(
    ("at_api", "kept", "at_importer"),
    [("piece stored", THIRD, "between pieces"), ("piece kept", 2 * THIRD, "before commit")],
)
async def test_an_upload_is_imported_once_at_whatever_point_api_and_importer_are_killed(
    harbour: Harbour, s3_server: S3Server, at_api: str, kept: int, at_importer: str
) -> None:
    made = await harbour.ask("POST", UPLOADS, headers={"Upload-Length": str(len(ARCHIVE))})
    path = made.headers["Location"]
    assert (await harbour.send(path, begin=0, end=THIRD)).status == 204

    await harbour.kill_api(at_api, path)
    assert await harbour.offset(path) == kept
    assert (await harbour.send(path, begin=kept, end=len(ARCHIVE))).status == 204
    given = {"upload_id": int(path.rpartition("/")[2]), "path": "one"}
    scheduled = await harbour.ask("POST", "/api/crossdock/v1/imports", json=given)
    assert scheduled.status == 201, await scheduled.text()
    await harbour.kill_importer(at_importer)
    await harbour.work()

    job = await harbour.ask("GET", f"/api/crossdock/v1/jobs/{scheduled.headers['X-Crossdock-Job']}")
    done = await job.json()
    assert (done["state"], done["attempt"], done["error"]) == ("finished", 2, None)
    assert done["archive"]["sha256"] == hashlib.sha256(ARCHIVE).hexdigest()
    assert await _left(harbour, s3_server) == []
