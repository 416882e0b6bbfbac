"""Who moves a project from or to a peer is killed on the way: another ends it, and nothing is twice."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from shared.broker.memory import MemoryBroker
from shared.database.pool import Pool, database
from shared.jobs.requeue import Requeue
from tests.support.buckets import made_bucket
from tests.support.gitlab import GitLab
from tests.support.killed import POINT, KilledProcess
from tests.support.peers import TOKEN, PeerGitLab
from tests.support.projects import files, ndjson, project
from tests.support.rabbitmq import RabbitMQServer
from tests.support.seaweedfs import S3Server
from tests.support.system import System, crossdock, distributed
from tests.support.waiting import until_row

pytestmark = pytest.mark.timeout(300)

ARCHIVE = project(("uploads/a", bytes(300_000)), issues=ndjson(b'{"iid":1,"title":"One"}'))
HERE = "/../crossdock/v1/destinations"
EXPORT = "POST /projects/N/export"


@dataclass(frozen=True, slots=True)
class Harbour:
    """A Crossdock without importers and exporters, and a GitLab, which is a destination of it."""

    system: System
    gitlab: GitLab
    peer: PeerGitLab
    pool: Pool
    destination: str

    @property
    def env(self) -> dict[str, str]:
        return {**self.system.processes["api"].env, "CROSSDOCK_METRICS_PORT": "0"}

    async def order(self, verb: str, **fields: Any) -> Any:
        """Ask for a job; give it."""
        answer = await self.gitlab.call("POST", f"{self.destination}/{verb}", json=fields)
        assert answer.status == 201, answer.body
        return answer.body

    async def kill(self, service: str, point: str, folder: Path) -> int:
        """Have a service work until it is killed; give its exit code."""
        await asyncio.to_thread(folder.mkdir)
        process = KilledProcess((service,), directory=folder, env={**self.env, POINT: point})
        try:
            return await asyncio.to_thread(process.wait)
        finally:
            process.stop(lambda _: None)

    async def take_over(self, service: str, folder: Path) -> None:
        """Have the lease of the dead end now, and one that nobody kills do what is left."""
        await self.pool.execute("UPDATE jobs SET lease_expires_at = now() WHERE state = 'running'")
        await Requeue(self.pool, MemoryBroker()).requeue_lost()
        await self.work(service, folder)

    async def work(self, service: str, folder: Path) -> None:
        """Have a service do all that there is."""
        with ExitStack() as resources:
            crossdock(service, directory=folder, env=self.env, resources=resources)
            await until_row(self.pool, "SELECT count(*) = 0 FROM jobs WHERE finished_at IS NULL", seconds=90)


@pytest.fixture
async def harbour(
    database_url: str, rabbitmq_server: RabbitMQServer, s3_server: S3Server, queue_prefix: str
) -> AsyncIterator[Harbour]:
    await made_bucket(s3_server)
    settings: dict[str, Any] = {
        "CROSSDOCK_BROKER_PREFIX": queue_prefix,
        "CROSSDOCK_LEASE_SECONDS": "600",
        "CROSSDOCK_ALLOW_HTTP_REMOTE_IMPORTS": "true",
    }
    with distributed(
        database_url=database_url,
        broker_url=rabbitmq_server.url,
        s3=s3_server,
        importers=0,
        exporters=0,
        **settings,
    ) as system:
        async with (
            PeerGitLab("acme/one").serve() as peer,
            aiohttp.ClientSession() as session,
            database(database_url, size=2) as pool,
        ):
            peer.projects["acme/one"].archive = ARCHIVE
            gitlab = GitLab(session, system.url, system.token, deadline=90)
            fields = {
                "name": "there",
                "kind": "gitlab",
                "url": peer.url,
                "token": TOKEN,
                "namespace": "vault",
            }
            made = await gitlab.call("POST", HERE, json=fields)
            assert made.status == 201, made.body
            yield Harbour(system, gitlab, peer, pool, f"{HERE}/{made.body['id']}")


@pytest.mark.parametrize(
    "point", ["after claim", "export asked", "before the rows", "before commit", "after commit"]
)
async def test_an_import_from_a_peer_ends_once_at_whatever_point_its_importer_is_killed(
    harbour: Harbour, tmp_path: Path, point: str
) -> None:
    await harbour.order("import", project="acme/one", path="one")
    assert await harbour.kill("importer", point, tmp_path / "killed") == -signal.SIGKILL
    await harbour.take_over("importer", tmp_path / "sound")
    status = (await harbour.gitlab.call("GET", "/projects/root%2Fone/import")).body
    assert (status["import_status"], status["import_error"], status["failed_relations"]) == (
        "finished",
        None,
        [],
    )
    assert await harbour.pool.fetchval("SELECT attempt FROM jobs") == (1 if point == "after commit" else 2)
    assert harbour.peer.asked[EXPORT] == 1
    assert await harbour.pool.fetchval("SELECT count(*) FROM snapshots WHERE committed_at IS NOT NULL") == 1


@pytest.mark.parametrize("point", ["after claim", "mid submission", "after submission", "after commit"])
async def test_an_export_to_a_peer_ends_once_at_whatever_point_its_exporter_is_killed(
    harbour: Harbour, tmp_path: Path, point: str
) -> None:
    (tmp_path / "in.tar.gz").write_bytes(ARCHIVE)
    made = await harbour.gitlab.start_import(tmp_path / "in.tar.gz", "one")
    await harbour.work("importer", tmp_path / "importer")
    await harbour.order("export", project=made.body["id"])
    assert await harbour.kill("exporter", point, tmp_path / "killed") == -signal.SIGKILL
    await harbour.take_over("exporter", tmp_path / "sound")
    row = await harbour.pool.fetchrow("SELECT state, error, attempt FROM jobs WHERE kind = 'peer_export'")
    assert row is not None
    assert tuple(row) == ("finished", None, 1 if point == "after commit" else 2)
    assert [each.path for each in harbour.peer.imports] == ["vault/one"]
    assert files(harbour.peer.imports[0].archive)["uploads/a"] == bytes(300_000)
