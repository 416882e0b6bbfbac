"""Who uploads an archive in parts is killed on the way: another goes on, and the object is whole, once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from uuid import uuid4

import aiohttp
import msgspec
import pytest

from shared.broker.memory import MemoryBroker
from shared.database.pool import Pool, database
from shared.jobs.requeue import Requeue
from shared.remote.part_addresses import PartAddresses
from tests.support.buckets import made_bucket, open_uploads, presigned_parts, stored_object
from tests.support.gitlab import GitLab
from tests.support.killed import POINT, KilledProcess
from tests.support.projects import project
from tests.support.rabbitmq import RabbitMQServer
from tests.support.seaweedfs import S3Server
from tests.support.system import System, crossdock, distributed
from tests.support.waiting import until_row

pytestmark = pytest.mark.timeout(300)

PART = 5 * 2**20
ARCHIVE = project(("uploads/a/noise", Random(3).randbytes(12 * 2**20)))  # noqa: S311  # the same every time


async def _kill(system: System, point: str, folder: Path) -> int:
    """Have an exporter work until it is killed; give its exit code."""
    await asyncio.to_thread(folder.mkdir)
    env = {**system.processes["api"].env, "CROSSDOCK_METRICS_PORT": "0", POINT: point}
    process = KilledProcess(("exporter",), directory=folder, env=env)
    try:
        return await asyncio.to_thread(process.wait)
    finally:
        process.stop(lambda _: None)


async def _work(system: System, service: str, pool: Pool, folder: Path) -> None:
    """Have the leases of the dead end now, and a service that nobody kills do all that there is."""
    await pool.execute("UPDATE jobs SET lease_expires_at = now() WHERE state = 'running'")
    await Requeue(pool, MemoryBroker()).requeue_lost()
    env = {**system.processes["api"].env, "CROSSDOCK_METRICS_PORT": "0"}
    with ExitStack() as resources:
        crossdock(service, directory=folder, env=env, resources=resources)
        await until_row(pool, "SELECT count(*) = 0 FROM jobs WHERE finished_at IS NULL", seconds=90)


@dataclass(frozen=True, slots=True)
class Harbour:
    """A Crossdock without importers and exporters, which has a project."""

    system: System
    gitlab: GitLab
    pool: Pool
    project: int

    async def order(self, parts: PartAddresses) -> None:
        """Ask for an export that goes in parts."""
        given = msgspec.to_builtins(parts)
        path = f"/projects/{self.project}/export"
        answer = await self.gitlab.call("POST", path, json={"upload": {"parts": given}})
        assert answer.status == 202, answer.body

    async def downloaded(self, folder: Path) -> bytes:
        """The archive, by a download."""
        target = folder / "out.tar.gz"
        await self.gitlab.download(self.project, target)
        return target.read_bytes()


@pytest.fixture
async def harbour(
    database_url: str, rabbitmq_server: RabbitMQServer, s3_server: S3Server, queue_prefix: str, tmp_path: Path
) -> AsyncIterator[Harbour]:
    await made_bucket(s3_server)
    (tmp_path / "in.tar.gz").write_bytes(ARCHIVE)
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
            gitlab = GitLab(session, system.url, system.token, deadline=90)
            made = await gitlab.start_import(tmp_path / "in.tar.gz", "one")
            await _work(system, "importer", pool, tmp_path / "importer")
            yield Harbour(system, gitlab, pool, made.body["id"])


@pytest.mark.parametrize("point", ["mid upload", "after upload", "part kept", "after submission"])
async def test_an_upload_in_parts_is_whole_at_whatever_point_its_exporter_is_killed(
    harbour: Harbour, s3_server: S3Server, tmp_path: Path, point: str
) -> None:
    key = f"killed/{uuid4().hex}"
    await harbour.order(await presigned_parts(s3_server, key, parts=4, part_size=PART))
    assert await _kill(harbour.system, point, tmp_path / "killed") == -signal.SIGKILL
    await _work(harbour.system, "exporter", harbour.pool, tmp_path / "sound")
    row = await harbour.pool.fetchrow("SELECT state, error, attempt FROM jobs WHERE kind = 'upload'")
    assert row is not None
    assert tuple(row) == ("finished", None, 2)
    assert await stored_object(s3_server, key) == await harbour.downloaded(tmp_path)
    assert await open_uploads(s3_server, key) == 0
    assert await harbour.pool.fetchval("SELECT count(*) FROM sent_parts") == 0
