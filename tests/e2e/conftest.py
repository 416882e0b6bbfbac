"""The two forms of Crossdock, each started once for a test run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from shared.database.migrate import migrate
from tests.support.buckets import made_bucket
from tests.support.gitlab import GitLab
from tests.support.postgres import PostgresServer
from tests.support.rabbitmq import RabbitMQServer
from tests.support.seaweedfs import S3Server
from tests.support.system import System, distributed, standalone


@pytest.fixture(scope="session")
def standalone_system() -> Iterator[System]:
    with standalone() as system:
        yield system


@pytest.fixture(scope="session")
def distributed_system(
    postgres_server: PostgresServer, rabbitmq_server: RabbitMQServer, s3_server: S3Server
) -> Iterator[System]:
    url = postgres_server.url()
    asyncio.run(migrate(url))
    asyncio.run(made_bucket(s3_server))
    with distributed(database_url=url, broker_url=rabbitmq_server.url, s3=s3_server) as system:
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
