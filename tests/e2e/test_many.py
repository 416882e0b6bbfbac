"""Several workers share the work: every job ends exactly once, and a dead worker's job is taken over."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import aiohttp
import asyncpg
import pytest

from tests.support.buckets import made_bucket
from tests.support.contents import assert_round_trip, contents
from tests.support.gitlab import GitLab
from tests.support.large import write_large
from tests.support.postgres import PostgresServer
from tests.support.rabbitmq import RabbitMQServer
from tests.support.samples.table import archive
from tests.support.seaweedfs import S3Server
from tests.support.system import System, distributed
from tests.support.waiting import until_row

PROJECTS = 20
# The importer that has begun to write.
WRITING = """
SELECT worker FROM jobs
WHERE kind = 'import' AND state = 'running' AND (progress->>'bytes_done')::bigint > 0
"""


@pytest.fixture
def crowd(
    postgres_server: PostgresServer, rabbitmq_server: RabbitMQServer, s3_server: S3Server, database_url: str
) -> Iterator[System]:
    """Two importers and two exporters of one slot each, over a database and queues of their own."""
    asyncio.run(made_bucket(s3_server))
    with distributed(
        database_url=database_url,
        broker_url=rabbitmq_server.url,
        s3=s3_server,
        importers=2,
        exporters=2,
        CROSSDOCK_SMALL_JOB_CONCURRENCY="1",
        CROSSDOCK_BROKER_PREFIX=f"{uuid4().hex}.",
    ) as system:
        yield system


@asynccontextmanager
async def _client(system: System) -> AsyncIterator[GitLab]:
    async with aiohttp.ClientSession() as session:
        yield GitLab(session, system.url, system.token)


async def _through(gitlab: GitLab, source: Path, target: Path) -> None:
    status = await gitlab.import_file(source, target.name.partition(".")[0])
    assert status["import_status"] == "finished"
    assert (await gitlab.export(status["id"]))["export_status"] == "finished"
    await gitlab.download(status["id"], target)


@pytest.mark.timeout(600)
async def test_two_importers_and_two_exporters_end_every_job_of_20_projects_exactly_once(
    crowd: System, database_url: str, tmp_path: Path
) -> None:
    source = archive("every_relation")
    before = contents(source)
    targets = [tmp_path / f"p{n}.tar.gz" for n in range(PROJECTS)]
    async with _client(crowd) as gitlab, asyncio.TaskGroup() as tasks:
        for target in targets:
            tasks.create_task(_through(gitlab, source, target))
    for target in targets:
        assert_round_trip(before, contents(target))
    connection = await asyncpg.connect(database_url)
    jobs = await connection.fetch("SELECT kind, state, attempt, lease, worker FROM jobs")
    await connection.close()
    assert len(jobs) == 2 * PROJECTS
    assert {(job["state"], job["attempt"], job["lease"]) for job in jobs} == {("finished", 1, 1)}
    assert {
        kind: len({job["worker"] for job in jobs if job["kind"] == kind})
        for kind in ("small_import", "export")
    } == {
        "small_import": 2,
        "export": 2,
    }


@pytest.mark.timeout(300)
async def test_the_import_of_a_killed_worker_is_taken_over_and_finishes_once(
    crowd: System, database_url: str, tmp_path: Path
) -> None:
    source = tmp_path / "large.tar.gz"
    write_large(source, relations=64, blobs=2, blob_size=32)
    pids = {
        f"{process.pid}": process for name, process in crowd.processes.items() if name.startswith("importer")
    }
    connection = await asyncpg.connect(database_url)
    async with _client(crowd) as gitlab:
        started = await gitlab.start_import(source, "taken-over")
        worker = await until_row(connection, WRITING)
        os.kill(pids[worker.partition(":")[2]].pid, signal.SIGKILL)
        status = await gitlab.imported(started.body["id"])
        assert (status["import_status"], status["failed_relations"]) == ("finished", [])
        assert (await gitlab.export(status["id"]))["export_status"] == "finished"
        await gitlab.download(status["id"], tmp_path / "out.tar.gz")
    assert_round_trip(contents(source), contents(tmp_path / "out.tar.gz"))
    job = await connection.fetchrow("SELECT state, attempt, worker FROM jobs WHERE kind = 'import'")
    await connection.close()
    assert job is not None
    assert (job["state"], job["attempt"]) == ("finished", 2)
    assert job["worker"] != worker
