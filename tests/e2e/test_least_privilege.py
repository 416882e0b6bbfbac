"""What deploy/least-privilege grants is enough for whole jobs, and is not more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import aio_pika
import aiohttp
import asyncpg
import pytest
from aiormq.exceptions import ChannelAccessRefused, ProbableAuthenticationError
from yarl import URL

from shared.database.migrate import migrate, migrations
from tests.e2e.queue.test_examples import handed_over, judge, run
from tests.support.background import background
from tests.support.buckets import made_bucket
from tests.support.gitlab import GitLab
from tests.support.rabbitmq import RabbitMQServer
from tests.support.receivers import receiving
from tests.support.samples.table import archive
from tests.support.seaweedfs import S3Server
from tests.support.system import System, distributed

pytestmark = pytest.mark.timeout(300)

RECIPES = Path(__file__).parents[2] / "deploy" / "least-privilege"
PASSWORD = "of-the-test"  # of a throw-away broker
VHOST = "crossdock"


@dataclass(frozen=True, slots=True)
class Databases:
    """The same database for its two roles."""

    owner: str
    service: str


@pytest.fixture
async def databases(empty_database_url: str) -> Databases:
    """A database after the recipe, which is run twice, and after the migration by its owner."""
    superuser = await asyncpg.connect(empty_database_url)
    for _ in range(2):
        await superuser.execute((RECIPES / "postgres.sql").read_text())
    await superuser.close()
    url = URL(empty_database_url)
    found = Databases(*(str(url.with_user(f"crossdock_{role}")) for role in ("owner", "service")))
    await migrate(found.owner)
    return found


@pytest.fixture(scope="module")
def broker(rabbitmq_server: RabbitMQServer, tmp_path_factory: pytest.TempPathFactory) -> RabbitMQServer:
    """A broker with the users of the recipe, who have got a password."""
    rabbitmq_server.import_definitions(RECIPES / "rabbitmq.json")
    with pytest.raises(ProbableAuthenticationError):
        asyncio.run(_connect(rabbitmq_server.url_of("forge", "", VHOST)))
    definitions = json.loads((RECIPES / "rabbitmq.json").read_text())
    for user in definitions["users"]:
        assert user.pop("password_hash") == ""
        user["password"] = PASSWORD
    file = tmp_path_factory.mktemp("definitions") / "rabbitmq.json"
    file.write_text(json.dumps(definitions))
    rabbitmq_server.import_definitions(file)
    return rabbitmq_server


async def _connect(url: str) -> None:
    await (await aio_pika.connect(url)).close()


@pytest.fixture
def system(databases: Databases, broker: RabbitMQServer, s3_server: S3Server) -> Iterator[System]:
    asyncio.run(made_bucket(s3_server))
    api, worker = (broker.url_of(f"crossdock-{name}", PASSWORD, VHOST) for name in ("api", "worker"))
    with distributed(
        database_url=databases.service,
        broker_url=worker,
        s3=s3_server,
        own={"api": {"CROSSDOCK_BROKER_URL": api}},
        CROSSDOCK_COMMAND_ACTORS="forge=root",
    ) as running:
        yield running


def test_whole_jobs_run_under_the_roles_and_users_of_the_recipes(
    system: System, broker: RabbitMQServer, s3_server: S3Server, tmp_path: Path
) -> None:
    """By REST, and by the queue of a system that may no more than send commands and hear events."""
    path = f"p-{uuid4().hex[:8]}"
    key = f"incoming/forge/{path}.tar.gz"
    with background() as beside, beside.opened(receiving()) as receiver:
        beside.run(round_trip(system))
        beside.run(handed_over(s3_server, system.s3_prefix, key))
        wanted = {
            "actor": "root", "path": path, "source": {"key": key},
            "upload": {"url": f"{receiver.url}/out.tar.gz"},
        }  # fmt: skip
        told = run("queue_aio_pika.py", system, broker.url_of("forge", PASSWORD, VHOST), wanted)
        judge(told, receiver, path, tmp_path)
    logs = "".join(process.log.read_text() for process in system.processes.values())
    for refused in ("permission denied", "ACCESS_REFUSED", "access refused"):
        assert refused not in logs


async def round_trip(system: System) -> None:
    """Import, export and delete a project, as an administrator does."""
    async with aiohttp.ClientSession() as session:
        gitlab = GitLab(session, system.url, system.token)
        imported = await gitlab.import_file(archive("every_relation"), "by-rest")
        assert imported["import_status"] == "finished"
        assert (await gitlab.export(imported["id"]))["export_status"] == "finished"
        assert (await gitlab.call("DELETE", f"/projects/{imported['id']}")).status == 202
        own, headers = f"{system.url}/api/crossdock/v1/system", {"PRIVATE-TOKEN": system.token}
        for address in (own, f"{own}/dead-letters"):
            async with session.get(address, headers=headers) as answer:
                assert answer.status == 200, await answer.text()


@pytest.fixture
async def service(databases: Databases) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(databases.service)
    yield connection
    await connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id integer)",
        "DROP TABLE jobs",
        "ALTER TABLE jobs ADD COLUMN mine integer",
        "TRUNCATE events",
        "ALTER TABLE jobs DISABLE TRIGGER ALL",
        "CREATE FUNCTION mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "COPY jobs TO PROGRAM 'cat'",
    ],
)
async def test_a_service_changes_rows_and_no_schema(
    service: asyncpg.Connection[asyncpg.Record], statement: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute(statement)


async def test_a_service_that_starts_needs_no_right_to_migrate_where_nothing_is_to_be_migrated(
    databases: Databases,
) -> None:
    assert (await migrate(databases.service)).steps == []
    await migrate(databases.owner, to=migrations()[-2].number)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await migrate(databases.service)


@pytest.mark.parametrize(
    ("user", "queue"),
    [
        ("crossdock-worker", "crossdock.commands"),
        ("forge", "crossdock.import"),
        ("forge", "crossdock.commands"),
        ("forge", "crossdock.commands.dead"),
        ("forge", "others"),
    ],
)
async def test_a_user_of_the_broker_reads_and_makes_no_queue_of_others(
    broker: RabbitMQServer, user: str, queue: str
) -> None:
    async with await aio_pika.connect(broker.url_of(user, PASSWORD, VHOST)) as connection:
        channel = await connection.channel()
        with pytest.raises(ChannelAccessRefused):
            await channel.declare_queue(queue)
        channel = await connection.channel()
        with pytest.raises(ChannelAccessRefused):
            await (await channel.get_queue(queue, ensure=False)).consume(_ignore)


async def _ignore(_: object) -> None:
    """Take a message that never comes."""


@pytest.mark.parametrize("exchange", ["", "crossdock.events", "amq.direct"])
async def test_a_system_that_sends_commands_writes_nowhere_else(
    broker: RabbitMQServer, exchange: str
) -> None:
    async with await aio_pika.connect(broker.url_of("forge", PASSWORD, VHOST)) as connection:
        channel = await connection.channel()
        target = await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
        with pytest.raises(ChannelAccessRefused):
            await target.publish(aio_pika.Message(b""), "crossdock.import")
