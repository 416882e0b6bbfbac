"""What operators see of the distributed form: one id through everything, metrics, probes at real signals."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import uuid4

import aiohttp
import asyncpg
import pytest

from tests.support.buckets import made_bucket
from tests.support.flaky import CuttingProxy, cutting_proxy
from tests.support.gitlab import GitLab
from tests.support.large import write_large
from tests.support.monitoring import log_lines, probed, sample, scraped
from tests.support.ports import free_ports
from tests.support.rabbitmq import RabbitMQServer
from tests.support.samples.table import archive
from tests.support.seaweedfs import S3Server
from tests.support.system import System, answers, crossdock, distributed, last_words
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
async def storage(s3_server: S3Server) -> AsyncIterator[CuttingProxy]:
    """The way to S3, on which the clients are noted; nothing is cut."""
    await made_bucket(s3_server)
    async with cutting_proxy(s3_server.endpoint, after=0, times=0) as proxy:
        yield proxy


@pytest.fixture
async def observed(
    database_url: str,
    rabbitmq_server: RabbitMQServer,
    s3_server: S3Server,
    queue_prefix: str,
    storage: CuttingProxy,
) -> AsyncIterator[System]:
    """The distributed form over a database, queues and a way to S3 of the test's own."""
    form = distributed(
        database_url=database_url,
        broker_url=rabbitmq_server.url,
        s3=replace(s3_server, endpoint=storage.url),
        CROSSDOCK_BROKER_PREFIX=queue_prefix,
        CROSSDOCK_DRAIN_SECONDS="60",
    )
    system = await asyncio.to_thread(form.__enter__)
    try:
        yield system
    finally:
        await asyncio.to_thread(form.__exit__, None, None, None)


@asynccontextmanager
async def _client(system: System, **headers: str) -> AsyncIterator[GitLab]:
    async with aiohttp.ClientSession(headers=headers) as session:
        yield GitLab(session, system.url, system.token)


async def _until(holds: Callable[[], bool]) -> None:
    await until(partial(asyncio.to_thread, holds))


def _events(system: System, name: str, correlation_id: str) -> set[str]:
    lines = log_lines(system.processes[name])
    return {line["event"] for line in lines if line.get("correlation_id") == correlation_id}


async def test_one_id_goes_from_the_request_through_row_message_and_workers_to_the_requests_of_s3(
    observed: System, database_url: str, storage: CuttingProxy, tmp_path: Path
) -> None:
    given = f"from-outside:{uuid4().hex}"
    async with _client(observed, **{"X-Request-Id": given}) as gitlab:
        imported = await gitlab.import_file(archive("every_relation"), "p")
        assert (await gitlab.export(imported["id"]))["export_status"] == "finished"
        storage.heads.clear()
        async with _client(observed, **{"X-Request-Id": "another"}) as other:
            assert (await other.export(imported["id"]))["export_status"] == "finished"
            await other.download(imported["id"], tmp_path / "out.tar.gz")
        assert {agent.partition(" correlation-id/")[2] for agent in storage.agents} <= {"another", ""}
        assert any(agent.endswith(" correlation-id/another") for agent in storage.agents)

    await _until(lambda: "job_finished" in _events(observed, "exporter-0", given))
    assert "request" in _events(observed, "api", given)
    for worker in ("importer-0", "exporter-0"):
        assert {"job_started", "job_finished"} <= _events(observed, worker, given)
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch("SELECT kind, correlation_id FROM jobs ORDER BY id")
    finally:
        await connection.close()
    assert [tuple(row) for row in rows] == [("small_import", given), ("export", given), ("export", "another")]


async def test_the_report_of_a_failed_test_has_what_each_service_logged_last(observed: System) -> None:
    asked = f"/-/asked-{uuid4().hex}"
    async with aiohttp.ClientSession() as session, session.get(observed.url + asked) as answer:
        assert answer.status == 404
    await _until(lambda: any(asked in text for title, text in last_words() if title == "log of api"))
    words = last_words()
    for name, process in observed.processes.items():
        logged = process.log.read_text()
        assert any(title == f"log of {name}" and text in logged for title, text in words)


async def _stored_size(database_url: str, relation: str) -> int:
    connection = await asyncpg.connect(database_url)
    try:
        name = f"tree/project/{relation}.ndjson"
        return int(await connection.fetchval("SELECT sum(stored_size) FROM segments WHERE name = $1", name))
    finally:
        await connection.close()


async def test_metrics_tell_what_each_service_did(observed: System, database_url: str) -> None:
    async with _client(observed) as gitlab:
        imported = await gitlab.import_file(archive("every_relation"), "p")
        await gitlab.export(imported["id"])
    await _until(
        lambda: sample(scraped(observed.monitoring["exporter-0"]), "crossdock_jobs_total", kind="export") == 1
    )
    api, importer, exporter = (
        scraped(observed.monitoring[name]) for name in ("api", "importer-0", "exporter-0")
    )

    route = {"route": "/api/v4/projects/import", "method": "POST", "status": "201"}
    assert sample(api, "crossdock_http_requests_total", **route) == 1
    size = archive("every_relation").stat().st_size
    assert sample(api, "crossdock_http_received_bytes_total", route=route["route"]) > size
    assert sample(importer, "crossdock_jobs_total", kind="small_import", result="finished") == 1
    assert sample(importer, "crossdock_job_bytes_total", kind="small_import") == size
    assert sample(importer, "crossdock_relation_rows_total", relation="issues", result="kept") > 0
    features = await _stored_size(database_url, "project_feature")  # read once it is written
    assert features > 0
    assert sample(importer, "crossdock_storage_bytes_total", operation="read") == size + features
    for process, kind, phases in (
        (importer, "small_import", ("reading", "writing", "committing")),
        (exporter, "export", ("preparing", "writing")),
    ):
        assert sample(process, "crossdock_job_queue_wait_seconds_count", kind=kind) == 1
        for phase in phases:
            assert sample(process, "crossdock_job_phase_duration_seconds_count", kind=kind, phase=phase) == 1
    for process in (api, importer, exporter):
        assert sample(process, "crossdock_database_connections_max") == 10
        assert sample(process, "crossdock_event_loop_lag_seconds_count") > 0


async def test_whoever_leads_the_sweeper_tells_the_jobs_that_want_a_worker(observed: System) -> None:
    def told(state: str) -> set[float]:
        values = set()
        for url in observed.monitoring.values():
            families = scraped(url)
            if families["crossdock_jobs_on_their_way"].samples:  # not of who has not led of late
                values.add(sample(families, "crossdock_jobs_on_their_way", kind="small_import", state=state))
        return values

    importer = observed.processes["importer-0"]
    await _until(lambda: all(answers(f"{url}/-/readiness") for url in observed.monitoring.values()))
    await _until(lambda: told("queued") == {0})
    os.kill(importer.pid, signal.SIGSTOP)
    observed.monitoring.pop("importer-0")
    async with _client(observed) as gitlab:
        started = await gitlab.start_import(archive("every_relation"), "p")
        await _until(lambda: 1 in told("queued"))
        os.kill(importer.pid, signal.SIGCONT)
        assert (await gitlab.imported(started.body["id"]))["import_status"] == "finished"
    await _until(lambda: told("queued") == told("running") == {0})


async def test_a_worker_that_was_told_to_stop_is_not_ready_and_lives_until_its_job_is_done(
    observed: System, tmp_path: Path
) -> None:
    write_large(tmp_path / "large.tar.gz", relations=96, blobs=1, blob_size=32)
    importer, url = observed.processes["importer-0"], observed.monitoring["importer-0"]
    await _until(lambda: probed(f"{url}/-/readiness?all=1") == 200)
    async with _client(observed) as gitlab:
        started = await gitlab.start_import(tmp_path / "large.tar.gz", "p")
        await _until(lambda: sample(scraped(url), "crossdock_storage_open", operation="write") == 1)
        os.kill(importer.pid, signal.SIGTERM)
        await _until(lambda: probed(f"{url}/-/readiness") == 503)
        assert probed(f"{url}/-/liveness") == 200
        assert await asyncio.to_thread(importer.wait) == 0
        assert (await gitlab.imported(started.body["id"]))["import_status"] == "finished"
    assert probed(f"{url}/-/liveness") == 0


async def test_an_api_that_was_told_to_stop_is_not_ready_on_both_its_ports(observed: System) -> None:
    api, url = observed.processes["api"], observed.monitoring["api"]
    assert (probed(f"{url}/-/readiness"), probed(f"{observed.url}/-/readiness")) == (200, 200)
    os.kill(api.pid, signal.SIGTERM)
    await _until(lambda: probed(f"{url}/-/readiness") == 503)
    assert probed(f"{observed.url}/-/readiness") == 503
    assert probed(f"{observed.url}/-/liveness") == 200
    assert await asyncio.to_thread(api.wait) == 0


@pytest.mark.parametrize("there", [True, False], ids=["answers", "away"])
def test_a_migration_job_logs_as_the_services_do(
    empty_database_url: str, tmp_path: Path, *, there: bool
) -> None:
    """One line for each event: of what was done, or of why it was not."""
    url = empty_database_url if there else f"postgresql://127.0.0.1:{free_ports(1)[0]}/crossdock"
    with ExitStack() as resources:
        words, env = ("migrate", "--log"), {"CROSSDOCK_DATABASE_URL": url}
        process = crossdock(*words, directory=tmp_path / "run", env=env, resources=resources)
        assert process.wait() == (0 if there else 1)
        (line,) = log_lines(process)
    assert line["event"] == ("migrated" if there else "service_failed")
    assert line["level"] == ("info" if there else "error")
    assert line.get("steps", [])[:2] == ([1, 2] if there else [])
