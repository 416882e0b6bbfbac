"""What measures are made with: the servers, each started by the first who asks, and Crossdock over them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from shared.database.migrate import migrate
from tests.benchmarks import corpus, running
from tests.benchmarks.client import Client
from tests.benchmarks.options import Options
from tests.benchmarks.peer import Peer
from tests.benchmarks.results import Sample
from tests.benchmarks.statements import LOG_PREFIX
from tests.support.buckets import made_bucket
from tests.support.postgres import PostgresServer, throwaway_postgres
from tests.support.rabbitmq import throwaway_rabbitmq
from tests.support.seaweedfs import S3Server, seaweedfs
from tests.support.system import System

T = TypeVar("T")
Measure = Callable[["Bench"], Iterator[Sample]]
"""Gives samples as it has them. What it raises ends it, and keeps what it gave."""


class Bench:
    """The servers and the systems of one run; all are gone after the block."""

    def __init__(self, options: Options, folder: Path) -> None:
        self.options = options
        self.folder = folder
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    def _opened(self, manager: AbstractContextManager[T]) -> T:
        return self._resources.enter_context(manager)

    @cached_property
    def postgres(self) -> PostgresServer:
        """A Postgres that says in its log whose each statement is."""
        return self._opened(throwaway_postgres(LOG_PREFIX, "max_wal_size=8GB"))

    @cached_property
    def s3(self) -> S3Server:
        """A SeaweedFS with its bucket."""
        server = self._opened(seaweedfs())
        asyncio.run(made_bucket(server))
        return server

    @cached_property
    def broker_url(self) -> str:
        """Where a RabbitMQ is."""
        return self._opened(throwaway_rabbitmq()).url

    @cached_property
    def system(self) -> System:
        """One api, importer and exporter, shared by all measures that do not care what was before."""
        return self._opened(self.distributed())

    @cached_property
    def client(self) -> Client:
        """A client of that system."""
        return client_of(self.system)

    @cached_property
    def files(self) -> System:
        """A standalone, whose objects are files."""
        return self._opened(running.standalone(self._new_folder("standalone"), **self._settings()))

    @contextmanager
    def distributed(self, **more: Any) -> Iterator[System]:
        """A system of its own, over a new database; ``more`` are numbers of services, and settings."""
        # A prefix of its own for the queues, as all share one broker.
        url = self.new_database()
        given = {**self._settings(), "CROSSDOCK_BROKER_PREFIX": f"{database_of(url)}.", **more}
        folder = self._new_folder("distributed")
        asyncio.run(migrate(url))
        with running.distributed(
            folder, database_url=url, broker_url=self.broker_url, s3=self.s3, **given
        ) as system:
            yield system

    @contextmanager
    def standalone(self, **settings: str) -> Iterator[System]:
        """A standalone of its own."""
        folder = self._new_folder("standalone")
        with running.standalone(folder, **self._settings(), **settings) as system:
            yield system

    @cached_property
    def peer(self) -> Peer:
        """The do-it-yourself over the same servers."""
        database = database_of(self.new_database())
        return Peer(self._new_folder("peer"), self.postgres, database, self.s3)

    def archive(self, kind: str, size: int, seed: int = 1) -> Path:
        """Give an archive, and make it where no earlier run did."""
        return corpus.archive(self.options.cache, kind, size, seed)

    def scratch(self, name: str) -> Path:
        """Give the path of a file that is gone after the run."""
        return self.folder / name

    def new_database(self) -> str:
        """Give the URL of a new database."""
        return self.postgres.url(asyncio.run(self.postgres.create()))

    def _new_folder(self, name: str) -> Path:
        count = sum(1 for _ in self.folder.glob(f"{name}-*"))
        folder = self.folder / f"{name}-{count}"
        folder.mkdir()
        return folder

    def _settings(self) -> dict[str, str]:
        return dict(pair.split("=", 1) for pair in self.options.settings)


def database_of(url: str) -> str:
    """Give the name of the database at a URL."""
    return url.rpartition("/")[2]


def client_of(system: System, **more: float) -> Client:
    """Give a client of a system."""
    return Client(system.url, system.token, **more)
