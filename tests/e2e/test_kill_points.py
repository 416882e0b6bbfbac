"""A process is killed at a named point of its work: another ends its job, once, and nothing is left."""

from __future__ import annotations

import asyncio
import signal
from contextlib import ExitStack
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from shared.broker.memory import MemoryBroker
from shared.database.pool import Pool, database
from shared.jobs.requeue import Requeue
from shared.storage.s3 import s3_store
from tests.soak import archives
from tests.soak.observer import Observer
from tests.soak.plan import Kind, Wish
from tests.soak.record import Asked, Seen, SeenJob, Told
from tests.soak.verdict import losses
from tests.support.buckets import made_bucket
from tests.support.databases import MigratedDatabase
from tests.support.killed import POINT, KilledProcess
from tests.support.objects import s3_config
from tests.support.ports import free_ports
from tests.support.rabbitmq import RabbitMQServer
from tests.support.receivers import Receiver, receiving
from tests.support.seaweedfs import S3Server
from tests.support.system import System, answers, crossdock, distributed
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(300)

IMPORTS = ("after claim", "mid relation", "mid blob", "before the rows", "before commit", "after commit")
EXPORTS = ("after claim", "before commit", "after commit")
UPLOADS = ("mid upload", "after upload")
NAMES = [
    "api before wake-up",
    *(f"{kind} {point}" for kind, points in (("import", IMPORTS), ("export", EXPORTS)) for point in points),
    *(f"upload {point}" for point in UPLOADS),
]
OF_THE_FIRST = {"import after commit", "export after commit", "api before wake-up"}
"""What needs no second attempt: all was committed, or nothing had begun."""


@dataclass(slots=True)
class Harbour:
    """A Crossdock without workers, and those that are added to be killed; ``asked`` is by their names."""

    system: System
    session: aiohttp.ClientSession
    receiver: Receiver
    folder: Path
    resources: ExitStack
    asked: dict[str, Asked] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)

    def _start(self, name: str, service: str, point: str, **settings: str) -> KilledProcess:
        """Start a service that is to be killed at a point."""
        env = {**self.system.processes["api"].env, "CROSSDOCK_METRICS_PORT": "0", POINT: point, **settings}
        directory = self.folder / name.replace(" ", "-")
        directory.mkdir()
        process = KilledProcess((service,), directory=directory, env=env)
        self.resources.callback(process.stop, lambda _: None)
        return process

    async def kill_worker(self, name: str, service: str, point: str) -> None:
        """Have a service work until it is killed at a point."""
        process = self._start(name, service, point)
        self.codes[name] = await asyncio.to_thread(process.wait)

    async def kill_api(self, name: str) -> None:
        """Ask an api for an import, and have it killed once that is committed."""
        (port,) = free_ports(1)
        process = self._start(name, "api", "before wake-up", CROSSDOCK_PORT=str(port))
        url = f"http://127.0.0.1:{port}"
        await asyncio.to_thread(process.wait_until, lambda: answers(f"{url}/-/readiness"))
        await self.ask_for_import(name, url)
        self.codes[name] = await asyncio.to_thread(process.wait)

    async def ask_for_import(self, name: str, url: str = "") -> None:
        """Ask for the import of an archive of its own."""
        wish = Wish(len(self.asked), Kind.IMPORT, mib=2)
        each = self.asked[name] = Asked(wish, path=f"p{wish.number}", archive=wish)
        form = aiohttp.FormData({"path": each.path})
        form.add_field("file", BytesIO(archives.packed(wish.number, mib=2)), filename="a.tar.gz")
        await self._ask(each, f"{url or self.system.url}/api/v4/projects/import", form)

    async def ask_for_export(self, name: str, of: Asked, *, uploaded: bool = False) -> None:
        """Ask for an export, and for its upload."""
        wish = Wish(len(self.asked), Kind.UPLOAD if uploaded else Kind.EXPORT)
        each = self.asked[name] = Asked(wish, path=of.path, archive=of.wish, project=of.project)
        given: dict[str, str] = {}
        if uploaded:
            each.target = f"/u/{wish.number}"
            given = {"upload[url]": f"{self.receiver.url}{each.target}"}
        address = f"{self.system.url}/api/v4/projects/{of.project}/export"
        await self._ask(each, address, aiohttp.FormData(given))

    async def _ask(self, each: Asked, url: str, form: aiohttp.FormData) -> None:
        headers = {"X-Request-Id": each.correlation}
        try:
            async with self.session.post(url, data=form, headers=headers) as answer:
                assert answer.ok, await answer.text()
                each.told = Told.ACCEPTED
                each.jobs.add(int(answer.headers["X-Crossdock-Job"]))
                if each.project is None:
                    each.project = (await answer.json())["id"]
        except aiohttp.ServerDisconnectedError:
            pass  # the api was killed

    async def take_over(self, service: str, pool: Pool) -> None:
        """Have the leases of the dead end now, and a service that nobody kills do what is left."""
        await pool.execute("UPDATE jobs SET lease_expires_at = now() WHERE state = 'running'")
        await Requeue(pool, MemoryBroker()).requeue_lost()
        env = {**self.system.processes["api"].env, "CROSSDOCK_METRICS_PORT": "0"}
        crossdock(service, directory=self.folder / f"{service}-sound", env=env, resources=self.resources)
        unended = "SELECT count(*) = 0 FROM jobs WHERE finished_at IS NULL"
        await until(lambda: pool.fetchval(unended), seconds=90)


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of all that were killed."""

    asked: dict[str, Asked]
    codes: dict[str, int]
    seen: Seen

    def job(self, name: str) -> SeenJob:
        """The job that the process of this name was killed at."""
        correlation, kind = self.asked[name].correlation, name.partition(" ")[0].replace("api", "import")
        [found] = [job for job in self.seen.jobs if (job.correlation, job.kind) == (correlation, kind)]
        return found


async def _kill_importers(harbour: Harbour, pool: Pool) -> None:
    for point in IMPORTS:
        await harbour.ask_for_import(f"import {point}")
        await harbour.kill_worker(f"import {point}", "importer", point)
    await harbour.kill_api("api before wake-up")  # last: a worker that is to be killed would take its job
    await harbour.take_over("importer", pool)


async def _kill_exporters(harbour: Harbour, pool: Pool) -> None:
    projects = [harbour.asked[f"import {point}"] for point in IMPORTS]
    for point in EXPORTS:
        await harbour.ask_for_export(f"export {point}", projects.pop())
        await harbour.kill_worker(f"export {point}", "exporter", point)
    for point in UPLOADS:
        await harbour.ask_for_export(f"upload {point}", projects.pop(), uploaded=True)
        await harbour.kill_worker(f"upload {point}", "exporter", point)
    await harbour.take_over("exporter", pool)


async def _kill_all(system: System, s3: S3Server, folder: Path) -> Ended:
    headers = {"PRIVATE-TOKEN": system.token}
    config = s3_config(s3, prefix=system.s3_prefix)
    with ExitStack() as resources:
        async with (
            receiving() as receiver,
            aiohttp.ClientSession(headers=headers) as session,
            database(system.database_url, size=4) as pool,
            s3_store(config) as store,
        ):
            harbour = Harbour(system, session, receiver, folder, resources)
            await _kill_importers(harbour, pool)
            await _kill_exporters(harbour, pool)
            wishes = [each.wish for each in harbour.asked.values()]
            observer = Observer(session, system.url, pool, store)
            seen = await observer.see(wishes, receiver.taken, [])
            return Ended(harbour.asked, harbour.codes, seen)


@pytest.fixture(scope="module")
def ended(
    migrated_database: MigratedDatabase,
    rabbitmq_server: RabbitMQServer,
    s3_server: S3Server,
    tmp_path_factory: pytest.TempPathFactory,
) -> Ended:
    """What came of all of them, each of whom had a job of its own. No lease ends before the last is dead."""

    async def run() -> Ended:
        await made_bucket(s3_server)
        async with migrated_database.lent() as url:
            with distributed(
                database_url=url,
                broker_url=rabbitmq_server.url,
                s3=s3_server,
                importers=0,
                exporters=0,
                CROSSDOCK_BROKER_PREFIX=f"{uuid4().hex}.",
                CROSSDOCK_LEASE_SECONDS="600",
                CROSSDOCK_JOB_SHARE="100",
                CROSSDOCK_PACK_BLOB_SIZE="1",
            ) as system:
                return await _kill_all(system, s3_server, tmp_path_factory.mktemp("killed"))

    return asyncio.run(run())


@pytest.mark.parametrize("name", NAMES)
def test_a_job_ends_once_at_whatever_point_its_process_is_killed(ended: Ended, name: str) -> None:
    job = ended.job(name)
    assert ended.codes[name] == -signal.SIGKILL
    assert job.ends == ("finished",)
    assert job.attempts == (1 if name in OF_THE_FIRST else 2)


def test_nothing_is_lost_doubled_or_left_whatever_was_killed(ended: Ended) -> None:
    assert losses(list(ended.asked.values()), ended.seen) == []
    assert len(ended.seen.projects) == len(IMPORTS) + 1


@pytest.mark.parametrize(("name", "times"), [("upload mid upload", 1), ("upload after upload", 2)])
def test_an_upload_is_sent_again_the_same_where_its_end_was_not_written(
    ended: Ended, name: str, times: int
) -> None:
    taken = ended.seen.uploads[ended.asked[name].target]
    assert (len(taken), len(set(taken))) == (times, 1)
