"""Every service is replaced while users work: no request fails, and no job is lost."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from tests.support.balancer import Balancer, balancing
from tests.support.buckets import made_bucket
from tests.support.contents import assert_round_trip, contents
from tests.support.gitlab import GitLab
from tests.support.large import write_large
from tests.support.ports import free_ports
from tests.support.processes import ServerProcess
from tests.support.rabbitmq import RabbitMQServer
from tests.support.seaweedfs import S3Server
from tests.support.system import crossdock, environment

USERS = 3
WORKERS = ("importer", "exporter")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Large enough that a restart falls into the middle of uploads, jobs and downloads."""
    target = tmp_path_factory.mktemp("archives") / "source.tar.gz"
    write_large(target, relations=8, blobs=2, blob_size=8)
    return target


class Fleet:
    """Two of each service, any of which can be replaced by a new one."""

    def __init__(self, env: dict[str, str], folder: Path, resources: ExitStack, balancer: Balancer) -> None:
        self._env = env
        self._folder = folder
        self._resources = resources
        self._balancer = balancer
        self._numbers = count()
        self.apis: dict[int, ServerProcess] = {}
        self.workers: list[tuple[str, ServerProcess]] = []

    def _start(self, kind: str, **settings: str) -> ServerProcess:
        directory = self._folder / f"{kind}-{next(self._numbers)}"
        return crossdock(kind, directory=directory, env=self._env | settings, resources=self._resources)

    async def add_api(self) -> None:
        """Start an api and wait until requests go to it."""
        (port,) = free_ports(1)
        self.apis[port] = self._start("api", CROSSDOCK_PORT=str(port))
        self._balancer.backends.add(port)
        await self._balancer.ready(*self.apis)

    def add_worker(self, kind: str) -> None:
        """Start an importer or an exporter; what it does not take yet, it takes later."""
        self.workers.append((kind, self._start(kind)))

    async def replace_api(self) -> None:
        """Start a new one, and stop the oldest as Kubernetes does."""
        oldest = next(iter(self.apis))
        await self.add_api()
        await _stopped(self.apis.pop(oldest))
        self._balancer.backends.discard(oldest)

    async def replace_worker(self) -> None:
        """Start a new one of the oldest's kind, and stop that."""
        kind, oldest = self.workers.pop(0)
        self.add_worker(kind)
        await _stopped(oldest)


async def _stopped(process: ServerProcess) -> None:
    os.kill(process.pid, signal.SIGTERM)
    assert await asyncio.to_thread(process.wait) == 0


@pytest.fixture
async def balancer() -> AsyncIterator[Balancer]:
    async with balancing() as running:
        yield running


@pytest.fixture
async def fleet(
    balancer: Balancer,
    database_url: str,
    rabbitmq_server: RabbitMQServer,
    s3_server: S3Server,
    queue_prefix: str,
) -> AsyncIterator[Fleet]:
    await made_bucket(s3_server)
    env = environment(
        database_url=database_url,
        broker_url=rabbitmq_server.url,
        s3=s3_server,
        CROSSDOCK_BROKER_PREFIX=queue_prefix,
        CROSSDOCK_EXTERNAL_URL=f"http://127.0.0.1:{balancer.port}",
        CROSSDOCK_DRAIN_SECONDS="10",
    )
    with ExitStack() as resources:
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="crossdock-fleet-")))
        running = Fleet(env, folder, resources, balancer)
        for _ in range(2):
            await running.add_api()
            for kind in WORKERS:
                running.add_worker(kind)
        yield running


class Users:
    """Each imports, exports and downloads again and again; whatever fails ends them all."""

    def __init__(self, gitlab: GitLab, source: Path, folder: Path) -> None:
        self._gitlab = gitlab
        self._source = source
        self._contents = contents(source)
        self._folder = folder
        self._ended = False
        self.rounds = 0

    async def work(self, name: str) -> None:
        """Go round until told to end."""
        for number in count():
            await self._go_round(f"{name}-{number}")
            self.rounds += 1
            if self._ended:
                return

    async def _go_round(self, name: str) -> None:
        imported = await self._gitlab.import_file(self._source, name)
        assert imported["import_status"] == "finished", imported
        assert (await self._gitlab.export(imported["id"]))["export_status"] == "finished"
        target = self._folder / f"{name}.tar.gz"
        await self._gitlab.download(imported["id"], target)
        assert_round_trip(self._contents, contents(target))
        target.unlink()

    def end(self) -> None:
        """Have each end its round, and begin no other."""
        self._ended = True


@pytest.mark.timeout(600)
async def test_every_service_is_replaced_under_load_without_a_failed_request_or_a_lost_job(
    fleet: Fleet, balancer: Balancer, database_url: str, source: Path, tmp_path: Path
) -> None:
    connector = aiohttp.TCPConnector(force_close=True)  # a kept connection may be closed as it is used again
    token = fleet._env["CROSSDOCK_ROOT_TOKEN"]
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as tasks:
        users = Users(GitLab(session, f"http://127.0.0.1:{balancer.port}", token), source, tmp_path)
        for number in range(USERS):
            tasks.create_task(users.work(f"user-{number}"))
        for _ in range(2):
            await fleet.replace_api()
            for _ in WORKERS:
                await fleet.replace_worker()
        users.end()
    connection = await asyncpg.connect(database_url)
    jobs = await connection.fetch("SELECT state, attempt FROM jobs")
    await connection.close()
    assert users.rounds >= USERS
    assert len(jobs) == 2 * users.rounds
    assert {(job["state"], job["attempt"]) for job in jobs} == {("finished", 1)}
