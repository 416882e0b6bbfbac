"""The servers of a soak, and what is done to them while it runs."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiormq
import asyncpg

from shared.jobs.models import JobKind
from tests.soak.fleet import Fleet
from tests.soak.plan import Fault, Step
from tests.support.postgres import PostgresServer
from tests.support.queues import purge
from tests.support.rabbitmq import OwnRabbitMQServer
from tests.support.seaweedfs import OwnS3Server

_FROZEN = 6.0
"""Seconds that a worker is stopped; leases are of 4."""
_STORAGE_FROZEN = 3.0
_END_CONNECTIONS = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = $1 AND pid <> pg_backend_pid()
"""


@dataclass(frozen=True, slots=True)
class Servers:
    """Postgres with its database, RabbitMQ with what its queues' names begin with, and SeaweedFS."""

    postgres: PostgresServer
    rabbitmq: OwnRabbitMQServer
    s3: OwnS3Server
    database: str
    prefix: str

    async def end_connections(self) -> None:
        """End every connection to the database, whatever it is at."""
        connection = await asyncpg.connect(self.postgres.url())
        try:
            await connection.execute(_END_CONNECTIONS, self.database)
        finally:
            await connection.close()

    async def restart_database(self) -> None:
        """Stop Postgres at once, and start it again."""
        await asyncio.to_thread(self.postgres.restart)

    async def restart_broker(self) -> None:
        """Kill RabbitMQ, and start it again."""
        await asyncio.to_thread(self.rabbitmq.kill, keeping=f"{self.prefix}import")
        await asyncio.to_thread(self.rabbitmq.start)

    async def purge(self) -> None:
        """Remove the messages of all queues of jobs."""
        await purge(self.rabbitmq.url, *(f"{self.prefix}{kind.value}" for kind in JobKind))

    async def freeze_storage(self) -> None:
        """Stop SeaweedFS for a while."""
        pid = self.s3.process.pid
        try:
            os.killpg(pid, signal.SIGSTOP)
            await asyncio.sleep(_STORAGE_FROZEN)
        finally:
            os.killpg(pid, signal.SIGCONT)


@dataclass(slots=True)
class Disturber:
    """Does the faults of a plan, one after another; ``done`` counts them."""

    servers: Servers
    fleet: Fleet
    done: Counter[str] = field(default_factory=Counter)
    _running: set[Fault] = field(default_factory=set)

    async def run(self, steps: Sequence[Step], *, every: float) -> None:
        """Begin a fault each ``every`` seconds; a server that is still restarting is left alone."""
        async with asyncio.TaskGroup() as tasks:
            for step in steps:
                tasks.create_task(self._do_once(step))
                await asyncio.sleep(every)

    async def _do_once(self, step: Step) -> None:
        if step.fault in self._running and not step.target:
            return
        self._running.add(step.fault)
        try:
            await self._do(step)
            self.done[step.fault.value] += 1
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, aiormq.exceptions.AMQPError) as error:
            self.done[f"{step.fault.value}, which did not work ({type(error).__name__})"] += 1
        finally:
            self._running.discard(step.fault)

    async def _do(self, step: Step) -> None:
        match step.fault:
            case Fault.KILL:
                await self.fleet.kill(step.target)
            case Fault.FREEZE:
                await self.fleet.freeze(step.target, seconds=_FROZEN)
            case Fault.CONNECTIONS:
                await self.servers.end_connections()
            case Fault.DATABASE:
                await self.servers.restart_database()
            case Fault.BROKER:
                await self.servers.restart_broker()
            case Fault.PURGE:
                await self.servers.purge()
            case Fault.STORAGE:
                await self.servers.freeze_storage()
