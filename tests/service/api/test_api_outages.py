from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import structlog

from services.api.app import ApiConfig, make_app
from services.api.use_cases import UseCaseConfig
from shared.ledger.collector import Collector
from shared.settings.application import ApplicationSettings
from shared.storage.s3 import S3Config, s3_store
from tests.support.api import ARCHIVE, EXTERNAL_URL, Answer, Api, listening, running_api
from tests.support.buckets import made_bucket
from tests.support.databases import migrated_databases
from tests.support.forms import BOUNDARY, HEADERS, Part, form_body
from tests.support.postgres import PostgresServer, throwaway_postgres
from tests.support.sealing import sealer
from tests.support.seaweedfs import OwnS3Server, S3Server, seaweedfs
from tests.support.waiting import until, until_row

FILE = Part("file", ARCHIVE, "x.tar.gz")
PATH = Part("path", "p")


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[PostgresServer]:
    """A server that tests stop, and start again."""
    with throwaway_postgres() as server:
        yield server


@pytest.fixture
async def on_own_postgres(own_postgres: PostgresServer, tmp_path: Path) -> AsyncIterator[Api]:
    with migrated_databases(own_postgres) as lending:
        async with lending.lent() as url, running_api(url, tmp_path / "objects") as api:
            await api.user("ann")
            yield api


@pytest.fixture
def own_s3() -> Iterator[OwnS3Server]:
    with seaweedfs() as server:
        yield server


@asynccontextmanager
async def _over_s3(api: Api, server: S3Server) -> AsyncIterator[Api]:
    """A second application over the same database, whose objects lie in S3."""
    await made_bucket(server)
    config = S3Config(
        endpoint_url=server.endpoint,
        region=server.region,
        bucket=server.bucket,
        access_key=server.access_key,
        secret_key=server.secret_key,
    )
    defaults = ApplicationSettings(project_import_limit=0)
    async with s3_store(config) as store:
        api_config = ApiConfig(external_url=EXTERNAL_URL, use_cases=UseCaseConfig(defaults=defaults))
        async with listening(
            make_app(api.pool, store, api.broker, sealer=sealer(), config=api_config)
        ) as url:
            yield replace(api, url=url)


def _is_outage(answer: Answer) -> bool:
    body = {"message": "503 Service Unavailable"}
    return (answer.status, answer.body, answer.headers["Retry-After"]) == (503, body, "10")


async def _import(api: Api) -> Answer:
    return await api.post("/projects/import", by="ann", data=form_body([FILE, PATH]), headers=HEADERS)


async def _made(api: Api) -> int:
    count: int = await api.pool.fetchval(
        "SELECT (SELECT count(*) FROM projects) + (SELECT count(*) FROM jobs)"
    )
    return count


async def test_while_object_storage_is_away_an_import_is_asked_to_come_again(
    api: Api, own_s3: OwnS3Server
) -> None:
    await api.user("ann")
    async with _over_s3(api, own_s3) as over_s3:
        assert (await _import(over_s3)).status == 201
        made = await _made(api)
        own_s3.kill()

        answer = await _import(over_s3)

        assert _is_outage(answer)
        assert await _made(api) == made
        assert await api.pool.fetchval("SELECT count(*) FROM objects WHERE state <> 'stored'") <= 1


async def test_while_the_database_is_away_every_call_is_asked_to_come_again(
    on_own_postgres: Api, own_postgres: PostgresServer
) -> None:
    api = on_own_postgres
    own_postgres.close()
    for answer in (
        await api.get("/user", by="ann"),
        await api.post("/projects", by="ann", json={"path": "p"}),
        await _import(api),
    ):
        assert _is_outage(answer)
    problem = await api.call("GET", "/api/crossdock/v1/jobs/1", by="ann")
    assert (problem.status, problem.headers["Retry-After"]) == (503, "10")
    assert problem.headers["Content-Type"] == "application/problem+json"

    own_postgres.restart()

    assert (await api.get("/user", by="ann")).status == 200
    assert await _made(api) == 0


async def test_an_upload_in_the_middle_of_which_the_database_goes_leaves_nothing(
    on_own_postgres: Api, own_postgres: PostgresServer
) -> None:
    api = on_own_postgres
    body = form_body([PATH, FILE])
    writing, gone = asyncio.Event(), asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield body[:-200]
        writing.set()
        await gone.wait()
        yield body[-200:]

    sent = asyncio.create_task(api.post("/projects/import", by="ann", data=pieces(), headers=HEADERS))
    await writing.wait()
    await until_row(api.pool, "SELECT count(*) FROM objects")
    own_postgres.close()
    gone.set()

    assert _is_outage(await sent)
    own_postgres.restart()
    assert await _made(api) == 0
    while await Collector(api.pool, api.store, grace=timedelta(0)).collect_objects():
        pass
    assert await api.objects_left() == 0


async def test_a_statement_that_is_wrong_is_no_outage(api: Api) -> None:
    await api.user("ann")
    await api.pool.execute("ALTER TABLE namespaces RENAME TO gone")

    answer = await api.get("/namespaces", by="ann")

    assert (answer.status, answer.body) == (500, {"message": "500 Internal Server Error"})


async def test_a_client_that_goes_is_no_outage(api: Api) -> None:
    await api.user("ann")
    assert api.url.host is not None
    with structlog.testing.capture_logs() as logs:
        _, writer = await asyncio.open_connection(api.url.host, api.url.port)
        head = (
            f"POST /api/v4/projects/import HTTP/1.1\r\nHost: x\r\nPRIVATE-TOKEN: {api.tokens['ann']}\r\n"
            f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: 1000000\r\n\r\n"
        )
        writer.write(head.encode() + form_body([FILE], closed=False))
        await writer.drain()
        await until_row(api.pool, "SELECT count(*) FROM objects")
        writer.transport.abort()
        await until(lambda: logs)
    assert [(log["event"], log["status"]) for log in logs] == [("request", 499)]
