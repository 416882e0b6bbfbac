"""What goes away comes back: processes that are stopped, killed or frozen, and servers that restart."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import uuid4

import aiohttp
import asyncpg
import psutil
import pytest

from shared.broker.base import Message
from shared.broker.rabbitmq import rabbitmq_broker
from shared.storage.s3 import s3_store
from tests.support.buckets import made_bucket
from tests.support.contents import assert_round_trip, contents
from tests.support.databases import migrated_databases
from tests.support.flaky import cutting_proxy
from tests.support.gitlab import GitLab
from tests.support.large import write_large
from tests.support.monitoring import probed
from tests.support.objects import keys, s3_config
from tests.support.ports import free_ports
from tests.support.postgres import throwaway_postgres
from tests.support.preloaded import completed
from tests.support.processes import ServerProcess
from tests.support.rabbitmq import RabbitMQServer, throwaway_rabbitmq
from tests.support.samples.table import archive
from tests.support.seaweedfs import S3Server
from tests.support.system import UNLIMITED, System, answers, crossdock, distributed
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(300)

Start = Callable[..., System]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive whose import takes some seconds."""
    target = tmp_path_factory.mktemp("large") / "large.tar.gz"
    write_large(target, relations=128, blobs=2, blob_size=32)
    return target


@pytest.fixture
def start(
    database_url: str, rabbitmq_server: RabbitMQServer, s3_server: S3Server, queue_prefix: str
) -> Iterator[Start]:
    """Start the distributed form over a database and queues of the test's own."""
    asyncio.run(made_bucket(s3_server))
    with ExitStack() as resources:

        def started(**settings: object) -> System:
            given = {
                "database_url": database_url,
                "broker_url": rabbitmq_server.url,
                "s3": s3_server,
                "CROSSDOCK_BROKER_PREFIX": queue_prefix,
            } | settings
            return resources.enter_context(distributed(**given))  # type: ignore[arg-type]  # mixed settings

        yield started


@asynccontextmanager
async def _client(system: System) -> AsyncIterator[GitLab]:
    async with aiohttp.ClientSession() as session:
        yield GitLab(session, system.url, system.token, deadline=180)


async def _row(url: str, query: str, *values: object) -> asyncpg.Record:
    """The first row that the query gives, once it gives one."""
    connection = await asyncpg.connect(url)
    try:
        rows = await until(lambda: connection.fetch(query, *values), seconds=120)
    finally:
        await connection.close()
    return rows[0]


async def _worker(system: System, url: str) -> ServerProcess:
    """The process that has begun to write an import."""
    row = await _row(
        url,
        """SELECT worker FROM jobs WHERE kind = 'import' AND state = 'running'
           AND (progress->>'bytes_done')::bigint > 0""",
    )
    pid = int(row["worker"].partition(":")[2])
    [found] = [process for process in system.processes.values() if process.pid == pid]
    return found


async def _ended(process: ServerProcess) -> int:
    return await asyncio.to_thread(process.wait)


async def _until(holds: Callable[[], bool], *, seconds: float = 90) -> None:
    await until(partial(asyncio.to_thread, holds), seconds=seconds)


def _has_lost_lease(worker: ServerProcess) -> bool:
    """Whether it says so: at a heartbeat, or at its next write where the heartbeat could not ask."""
    return "lease_lost" in _log(worker) or "LeaseLost" in _log(worker)


def _log(process: ServerProcess) -> str:
    return process.log.read_text()


def _assert_tidy(process: ServerProcess) -> None:
    """No error that nobody expected."""
    for untidy in ("Traceback", '"exception"', "never retrieved"):
        assert untidy not in _log(process)


async def test_a_stopped_importer_hands_its_import_over_and_the_attempt_does_not_count(
    start: Start, database_url: str, large: Path, tmp_path: Path
) -> None:
    system = await asyncio.to_thread(start, importers=2, CROSSDOCK_DRAIN_SECONDS="0.1")
    async with _client(system) as gitlab:
        started = await gitlab.start_import(large, "p")
        stopped = await _worker(system, database_url)
        os.kill(stopped.pid, signal.SIGTERM)
        os.kill(stopped.pid, signal.SIGTERM)
        assert await _ended(stopped) == 0
        assert (await gitlab.imported(started.body["id"]))["import_status"] == "finished"
        assert (await gitlab.export(started.body["id"]))["export_status"] == "finished"
        await gitlab.download(started.body["id"], tmp_path / "out.tar.gz")
    job = await _row(database_url, "SELECT attempt, lease, worker FROM jobs WHERE kind = 'import'")
    assert (job["attempt"], job["lease"]) == (1, 2)
    assert not job["worker"].endswith(f":{stopped.pid}")
    assert_round_trip(contents(large), contents(tmp_path / "out.tar.gz"))
    _assert_tidy(stopped)


async def test_a_stopped_importer_finishes_what_it_can_in_its_time(
    start: Start, database_url: str, large: Path
) -> None:
    system = await asyncio.to_thread(start, exporters=0, CROSSDOCK_DRAIN_SECONDS="15")
    async with _client(system) as gitlab:
        await gitlab.start_import(large, "p")
        stopped = await _worker(system, database_url)
        os.kill(stopped.pid, signal.SIGTERM)
        assert await _ended(stopped) == 0
    job = await _row(database_url, "SELECT state, lease FROM jobs")
    assert (job["state"], job["lease"]) == ("finished", 1)


async def test_an_importer_that_was_frozen_for_longer_than_its_lease_changes_nothing_any_more(
    start: Start, database_url: str, large: Path, tmp_path: Path
) -> None:
    system = await asyncio.to_thread(start, importers=2)
    async with _client(system) as gitlab:
        started = await gitlab.start_import(large, "p")
        frozen = await _worker(system, database_url)
        os.kill(frozen.pid, signal.SIGSTOP)
        try:
            assert (await gitlab.imported(started.body["id"]))["import_status"] == "finished"
            query = "SELECT j.*, p.snapshot_id AS current FROM jobs j JOIN projects p ON p.id = j.project_id"
            done = await _row(database_url, query)
        finally:
            os.kill(frozen.pid, signal.SIGCONT)
        await _until(lambda: _has_lost_lease(frozen))
        assert await _row(database_url, query) == done
        assert (done["attempt"], done["lease"]) == (2, 2)
        assert not done["worker"].endswith(f":{frozen.pid}")
        assert (await gitlab.export(started.body["id"]))["export_status"] == "finished"
        await gitlab.download(started.body["id"], tmp_path / "out.tar.gz")
    assert_round_trip(contents(large), contents(tmp_path / "out.tar.gz"))
    os.kill(frozen.pid, signal.SIGTERM)
    assert await _ended(frozen) == 0


async def test_a_project_deleted_under_its_import_disturbs_no_other(
    start: Start, database_url: str, large: Path
) -> None:
    system = await asyncio.to_thread(start, exporters=0)
    async with _client(system) as gitlab:
        started = await gitlab.start_import(large, "p")
        importer = await _worker(system, database_url)
        connection = await asyncpg.connect(database_url)
        await connection.execute("DELETE FROM projects WHERE id = $1", started.body["id"])
        await connection.close()
        other = await gitlab.import_file(archive("every_relation"), "q")
        assert other["import_status"] == "finished"
    await _until(lambda: _has_lost_lease(importer))
    _assert_tidy(importer)


async def test_a_stopping_api_tells_its_probe_finishes_a_download_and_keeps_what_it_accepted(
    start: Start, database_url: str, large: Path
) -> None:
    system = await asyncio.to_thread(start, CROSSDOCK_DRAIN_SECONDS="10")
    api = system.processes["api"]
    async with _client(system) as gitlab, aiohttp.ClientSession(read_bufsize=65536) as session:
        project = (await gitlab.import_file(large, "p"))["id"]
        await gitlab.export(project)
        url = f"{system.url}/api/v4/projects/{project}/export/download"
        async with session.get(url, headers={"PRIVATE-TOKEN": system.token}) as download:
            inflater = zlib.decompressobj(wbits=31)
            inflater.decompress(await download.content.readexactly(1000))
            os.kill(api.pid, signal.SIGTERM)
            await _until(lambda: not answers(f"{system.url}/-/readiness"))
            assert answers(f"{system.url}/-/liveness")
            late = await gitlab.start_import(archive("every_relation"), "late")
            assert late.status == 201
            await _until(lambda: not answers(f"{system.url}/-/liveness"))
            async for chunk in download.content.iter_chunked(1024 * 1024):
                inflater.decompress(chunk)
        assert inflater.eof  # the CRC in the trailer was right
    assert await _ended(api) == 0
    await _row(database_url, "SELECT FROM jobs WHERE project_id = $1 AND state = 'finished'", late.body["id"])
    _assert_tidy(api)


async def test_jobs_outlive_a_restart_of_the_broker_and_are_taken_while_it_is_down(
    start: Start, database_url: str, queue_prefix: str, large: Path, tmp_path: Path
) -> None:
    with ExitStack() as resources:
        server = await asyncio.to_thread(resources.enter_context, throwaway_rabbitmq())
        system = await asyncio.to_thread(
            start, exporters=0, broker_url=server.url, CROSSDOCK_SMALL_IMPORT_SIZE="0"
        )
        port = str(*free_ports(1))
        env = {**system.processes["importer-0"].env, "CROSSDOCK_METRICS_PORT": port}
        async with _client(system) as gitlab:
            running = await gitlab.start_import(large, "running")
            queued = await gitlab.start_import(archive("every_relation"), "queued")
            first = await _worker(system, database_url)
            await asyncio.to_thread(server.kill, keeping=f"{queue_prefix}import")
            taken = await gitlab.start_import(archive("every_relation"), "taken")
            assert [each.status for each in (running, queued, taken)] == [201] * 3
            early = crossdock("importer", directory=tmp_path / "early", env=env, resources=resources)
            await _until(lambda: "stamina" in _log(early))  # it waits for its broker
            await asyncio.to_thread(server.start)
            for each in (running, queued, taken):
                assert (await gitlab.imported(each.body["id"]))["import_status"] == "finished"
            os.kill(first.pid, signal.SIGTERM)
            assert await _ended(first) == 0
            assert (await gitlab.import_file(archive("every_relation"), "last"))[
                "import_status"
            ] == "finished"
        job = await _row(database_url, "SELECT sum(attempt) AS attempts, count(*) AS jobs FROM jobs")
        assert (job["attempts"], job["jobs"]) == (4, 4)


async def test_services_outlive_a_crash_of_the_database(start: Start, large: Path) -> None:
    with throwaway_postgres() as server, migrated_databases(server) as lending:
        async with lending.lent() as url:
            system = await asyncio.to_thread(start, database_url=url)
            async with _client(system) as gitlab:
                started = await gitlab.start_import(large, "p")
                await _worker(system, url)
                await asyncio.to_thread(server.restart, immediately=True)
                await _until(lambda: answers(f"{system.url}/-/readiness?all=1"))
                status = await gitlab.imported(started.body["id"])
                assert (status["import_status"], status["failed_relations"]) == ("finished", [])
                assert (await gitlab.export(started.body["id"]))["export_status"] == "finished"
            assert all(process.is_running for process in system.processes.values())
            snapshots = await _row(url, "SELECT count(*) AS n FROM snapshots WHERE committed_at IS NOT NULL")
            assert snapshots["n"] == 1
            for process in system.processes.values():
                os.kill(process.pid, signal.SIGTERM)
                assert await _ended(process) == 0


async def test_an_import_outlives_an_outage_of_object_storage_and_ends_where_its_upload_is_gone(
    start: Start, database_url: str, s3_server: S3Server
) -> None:
    prefix = f"{uuid4().hex}/"
    async with cutting_proxy(s3_server.endpoint, after=0, times=0, abruptly=True) as proxy:
        system = await asyncio.to_thread(
            start, exporters=0, s3=replace(s3_server, endpoint=proxy.url), CROSSDOCK_S3_PREFIX=prefix
        )
        importer = system.processes["importer-0"]
        async with _client(system) as gitlab, s3_store(s3_config(s3_server, prefix=prefix)) as store:
            os.kill(importer.pid, signal.SIGSTOP)
            lost = await gitlab.start_import(archive("every_relation"), "lost")
            await store.delete(await keys(store, "uploads/"))
            passing = await gitlab.start_import(archive("every_relation"), "passing")
            os.kill(importer.pid, signal.SIGCONT)
            status = await gitlab.imported(lost.body["id"])
            assert status["import_status"] == "failed"
            told = status["import_error"]
            assert "has lost a file" in told or "Missing import file" in told
            assert (await gitlab.imported(passing.body["id"]))["import_status"] == "finished"

            os.kill(importer.pid, signal.SIGSTOP)
            failing = await gitlab.start_import(archive("every_relation"), "failing")
            proxy.cuts_left = 10**6
            os.kill(importer.pid, signal.SIGCONT)
            query = "SELECT error FROM jobs WHERE state = 'queued' AND error_code = 'storage_failed'"
            told = (await _row(database_url, query))["error"]
            await _until(lambda: probed(f"{system.monitoring['importer-0']}/-/readiness") == 503)
            assert probed(f"{system.monitoring['importer-0']}/-/liveness") == 200
            proxy.cuts_left = 0
            assert (await gitlab.imported(failing.body["id"]))["import_status"] == "finished"
    job = await _row(database_url, "SELECT attempt, error FROM jobs ORDER BY id DESC")
    assert job["attempt"] == 1
    assert job["error"] is None
    assert told == "the object storage is not available now"
    for secret in (s3_server.secret_key, s3_server.access_key):
        assert secret not in told + _log(importer)


async def test_a_poison_message_is_a_dead_letter_that_the_command_lists_and_replays(
    start: Start, rabbitmq_url: str, queue_prefix: str
) -> None:
    system = await asyncio.to_thread(start, exporters=0)
    env = system.processes["importer-0"].env

    def dead_letters(command: str) -> str:
        done = completed(["dead-letters", command, "import"], cwd=Path.cwd(), env=env)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()

    async with rabbitmq_broker(rabbitmq_url, prefix=queue_prefix) as broker:
        await broker.publish("import", Message(b"poison", message_id="m"))
        await _until(lambda: "poison" in dead_letters("list"))
        assert "1 message back in import" in await asyncio.to_thread(dead_letters, "replay")
        await _until(lambda: "poison" in dead_letters("list"))
    async with _client(system) as gitlab:
        assert (await gitlab.import_file(archive("every_relation"), "p"))["import_status"] == "finished"


class Standalone:
    """A standalone that can be started again over what it has stored."""

    def __init__(self, folder: Path, resources: ExitStack, **settings: str) -> None:
        (port,) = free_ports(1)
        self.data = folder / "data"
        self.system = System(f"http://127.0.0.1:{port}", f"glpat-{secrets.token_hex(10)}")
        self._folder, self._resources = folder, resources
        self._env = {**UNLIMITED, "CROSSDOCK_ROOT_TOKEN": self.system.token, **settings}
        self._words = ("standalone", "--port", str(port), "--data", str(self.data))

    def start(self) -> ServerProcess:
        process = crossdock(
            *self._words, directory=self._folder / "run", env=self._env, resources=self._resources
        )
        process.wait_until(lambda: answers(f"{self.system.url}/-/readiness?all=1"))
        return process

    def postgres(self) -> list[int]:
        """The processes of its database."""
        return [
            process.pid
            for process in psutil.process_iter()
            if str(self.data) in " ".join(_command_line(process)) and "postgres" in process.name()
        ]


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest.fixture
def standalone() -> Iterator[Standalone]:
    with ExitStack() as resources:
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="crossdock-standalone-")))
        folder.chmod(0o755)  # Postgres runs as somebody else where we are root
        yield Standalone(
            folder, resources, CROSSDOCK_DATABASE_POOL_SIZE="2", CROSSDOCK_DRAIN_SECONDS="0.1",
            CROSSDOCK_LEASE_SECONDS="3600",
        )  # fmt: skip


async def _working(gitlab: GitLab, project: int) -> None:
    async def started() -> bool:
        answer = await gitlab.call("GET", f"/projects/{project}/import")
        return bool(answer.body["import_status"] == "started")

    await until(started)


async def test_a_standalone_that_was_stopped_or_killed_takes_its_imports_up_at_once_when_it_starts_again(
    standalone: Standalone, large: Path
) -> None:
    small = archive("every_relation")
    for how, code in ((signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)):
        process = await asyncio.to_thread(standalone.start)
        async with _client(standalone.system) as gitlab:
            running = await gitlab.start_import(large, f"{how.name}-running")
            waiting = await gitlab.start_import(small, f"{how.name}-waiting")
            await _working(gitlab, running.body["id"])
        os.kill(process.pid, how)
        assert await _ended(process) == code
        process = await asyncio.to_thread(standalone.start)
        async with _client(standalone.system) as gitlab:
            for each in (running, waiting):
                assert (await gitlab.imported(each.body["id"]))["import_status"] == "finished"
        os.kill(process.pid, signal.SIGTERM)
        assert await _ended(process) == 0
        assert standalone.postgres() == []


async def test_twenty_uploads_at_once_share_two_connections_to_the_database(standalone: Standalone) -> None:
    await asyncio.to_thread(standalone.start)
    async with _client(standalone.system) as gitlab:
        imports = (gitlab.import_file(archive("every_relation"), f"p{n}") for n in range(20))
        assert {status["import_status"] for status in await asyncio.gather(*imports)} == {"finished"}


_FAILING = """
import asyncio, sys
from services.process.start import start
async def serve(settings):
    async with asyncio.TaskGroup():
        raise OSError("no such server")
start(serve)
"""


@pytest.mark.parametrize(
    ("settings", "said"),
    [({}, "no such server"), ({"CROSSDOCK_DATABASE_POOL_SIZE": "secret"}, "CROSSDOCK_DATABASE_POOL_SIZE")],
    ids=["in a task", "in the settings"],
)
def test_a_service_that_cannot_go_on_says_so_in_one_line(settings: dict[str, str], said: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _FAILING],
        env={"PATH": os.environ["PATH"], **settings},
        check=False,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1
    [line] = ended.stderr.splitlines()
    assert said in line
    assert "secret" not in line
