"""The two forms of Crossdock, each started once for a test run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from yarl import URL

from shared.database.migrate import migrate
from tests.support.background import background
from tests.support.buckets import made_bucket
from tests.support.certificates import certificate
from tests.support.github.description import Description
from tests.support.github.hub import Hub, served_hub
from tests.support.gitlab import GitLab
from tests.support.ports import free_ports
from tests.support.postgres import PostgresServer
from tests.support.rabbitmq import RabbitMQServer
from tests.support.seaweedfs import S3Server
from tests.support.system import System, distributed, last_words, standalone
from tests.support.tls_front import tls_front


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the services logged last where a test fails: what they did not do is nowhere else."""
    report = yield
    if report.failed:
        report.sections += last_words()
    return report


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The key and the certificate of localhost, which both forms trust."""
    return certificate(tmp_path_factory.mktemp("tls"), "localhost")


@pytest.fixture(scope="session")
def elsewhere(keys: tuple[Path, Path]) -> dict[str, Any]:
    """Where remote archives may come from: servers with that certificate, one of which speaks S3."""
    (port,) = free_ports(1)
    return {
        "CROSSDOCK_REMOTE_CA_FILE": str(keys[1]),
        "CROSSDOCK_REMOTE_S3_ENDPOINT_URL": f"https://localhost:{port}",
    }


@pytest.fixture(scope="session")
def remote_s3(s3_server: S3Server, keys: tuple[Path, Path], elsewhere: dict[str, Any]) -> Iterator[S3Server]:
    """The S3 of remote imports, behind TLS, with its bucket."""
    port = URL(elsewhere["CROSSDOCK_REMOTE_S3_ENDPOINT_URL"]).port or 0
    before = URL(s3_server.endpoint).port or 0
    with background() as loop, loop.opened(tls_front(keys, port=port, before=before)):
        loop.run(made_bucket(s3_server))
        yield s3_server


@pytest.fixture
def hub(keys: tuple[Path, Path], github_description: Description, tmp_path: Path) -> Iterator[Hub]:
    """A GitHub with a repository that has one of everything."""
    with background() as loop, loop.opened(served_hub(github_description, keys, tmp_path / "hub")) as served:
        yield served
    assert served.github.violations == []


@pytest.fixture(scope="session")
def standalone_system(elsewhere: dict[str, Any]) -> Iterator[System]:
    with standalone(**elsewhere) as system:
        yield system


@pytest.fixture(scope="session")
def distributed_system(
    postgres_server: PostgresServer,
    rabbitmq_server: RabbitMQServer,
    s3_server: S3Server,
    elsewhere: dict[str, Any],
) -> Iterator[System]:
    url = postgres_server.url()
    asyncio.run(migrate(url))
    asyncio.run(made_bucket(s3_server))
    prefix = f"{uuid4().hex}."
    with distributed(
        database_url=url,
        broker_url=rabbitmq_server.url,
        s3=s3_server,
        CROSSDOCK_BROKER_PREFIX=prefix,
        **elsewhere,
    ) as system:
        yield system


@pytest.fixture(scope="session", params=["standalone", "distributed"])
def system(request: pytest.FixtureRequest) -> System:
    """Each test that asks for this runs against both forms."""
    found: System = request.getfixturevalue(f"{request.param}_system")
    return found


@pytest.fixture
async def gitlab(system: System) -> AsyncIterator[GitLab]:
    async with aiohttp.ClientSession() as session:
        yield GitLab(session, system.url, system.token)
