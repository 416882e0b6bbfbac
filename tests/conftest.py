"""Real servers, each started by the first test that asks for it, once for a worker or for all of them."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import AsyncIterator, Generator, Iterator
from uuid import uuid4

import hypothesis
import pytest
from aiohttp.web_app import _cached_build_middleware
from xdist.remote import Producer

import services
import shared
from tests.support.databases import MigratedDatabase, migrated_databases
from tests.support.distribution import FormScheduling
from tests.support.github.description import Description, published
from tests.support.github.github import GitHub
from tests.support.modules import import_all
from tests.support.postgres import PostgresServer, throwaway_postgres
from tests.support.prerequisites import missing_in, summary_line
from tests.support.rabbitmq import RabbitMQServer, throwaway_rabbitmq
from tests.support.seaweedfs import S3Server, seaweedfs
from tests.support.shared_servers import Run, make_run
from tests.support.unmeasured import unmeasured

# The examples of a property take as long as the machine needs: no test fails on a clock.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")


def pytest_configure() -> None:
    """Let Ctrl-C reach what tests start, also where a shell started the suite in the background.

    Such a shell ignores SIGINT for its children, and theirs inherit that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FormScheduling:
    """Share the tests out among workers so that none starts what another has running."""
    return FormScheduling(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Measure our modules as they are loaded, and not the collection, which would take twice as long."""
    if not session.config.pluginmanager.has_plugin("dsession"):  # that runs no test: its workers do
        import_all(services, shared)
    with unmeasured():
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse tests that share an id: xdist runs one of them, and says nothing of the others."""
    twice = [each for each, times in Counter(item.nodeid for item in items).items() if times > 1]
    if twice:
        raise pytest.UsageError(f"several tests have the id {twice[0]}")


def pytest_runtest_logfinish() -> None:
    """Let go of the applications of a test: aiohttp keeps the last thousand, and each has 2 MB."""
    _cached_build_middleware.cache_clear()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what was not tested for want of a program."""
    found = missing_in(terminalreporter.getreports("skipped"))
    if found:
        terminalreporter.section("NOT TESTED, for want of", sep="!", red=True, bold=True)
        for what, tests in sorted(found.items()):
            terminalreporter.line(summary_line(what, tests), red=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with throwaway_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_database(postgres_server: PostgresServer) -> Iterator[MigratedDatabase]:
    with migrated_databases(postgres_server) as lending:
        yield lending


@pytest.fixture
async def database_url(migrated_database: MigratedDatabase) -> AsyncIterator[str]:
    """A database that has the schema and nothing in it."""
    async with migrated_database.lent() as url:
        yield url


@pytest.fixture
async def empty_database_url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """A database without a schema, for who migrates it."""
    async with postgres_server.database() as url:
        yield url


@pytest.fixture(scope="session")
def run(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(pytestconfig, tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def rabbitmq_server(run: Run) -> RabbitMQServer:
    return run.shared(RabbitMQServer, throwaway_rabbitmq)


@pytest.fixture
def rabbitmq_url(rabbitmq_server: RabbitMQServer) -> str:
    """The node all tests of all workers share; ``queue_prefix`` keeps them apart."""
    return rabbitmq_server.url


@pytest.fixture
def queue_prefix() -> str:
    """What no other test's queue names begin with."""
    return f"{uuid4().hex}."


@pytest.fixture(scope="session")
def s3_server(run: Run) -> S3Server:
    """The server all tests of all workers share; a prefix of its own keeps each test apart."""
    return run.shared(S3Server, seaweedfs)


@pytest.fixture(scope="session")
def github_description(pytestconfig: pytest.Config) -> Description:
    """GitHub's own description of its API, fetched once and kept in pytest's cache."""
    assert pytestconfig.cache
    return published(pytestconfig.cache.mkdir("github-openapi"))


@pytest.fixture
async def github(github_description: Description) -> AsyncIterator[GitHub]:
    """A GitHub with nothing on it, all of whose answers are as GitHub describes them."""
    async with GitHub(github_description).serve() as served:
        yield served
    assert served.violations == []
