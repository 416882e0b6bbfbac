"""Attack: sources that begin to send an archive and then keep the importer waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import pytest
from aiohttp import web

from services.importer.wiring import make_importers
from services.process.ports import Ports
from shared.broker.memory import MemoryBroker
from shared.database.pool import session
from shared.jobs import store as jobs
from shared.jobs.models import ImportOrder, Job, JobKind, RemoteSource
from shared.jobs.outbox import announce
from shared.settings.environment import Settings
from tests.support.projects import Dock, project
from tests.support.remote import Servers
from tests.support.sealing import sealer
from tests.support.waiting import until_row
from tests.support.workers import at_work

ARCHIVE = project()
SLOTS = 2
IN_STATE = "SELECT count(*) = $3 FROM jobs WHERE kind = $1 AND state = $2"
IS_FINISHED = "SELECT state = 'finished' FROM jobs WHERE id = $1"


@dataclass
class Source:
    """A server that sends all but the last byte of an archive, and that one once it is released."""

    port: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, request: web.Request) -> web.StreamResponse:
        """Answer a request for the archive."""
        response = web.StreamResponse(headers={"Content-Length": str(len(ARCHIVE))})
        await response.prepare(request)
        await response.write(ARCHIVE[:-1])
        await self.released.wait()
        await response.write(ARCHIVE[-1:])
        return response

    @property
    def order(self) -> ImportOrder:
        """The order of an import from here."""
        return ImportOrder(source=RemoteSource(url=f"http://127.0.0.2:{self.port}/a.tar.gz"))


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    async with AsyncExitStack() as stack:
        yield Servers(stack)


async def _serving(servers: Servers) -> Source:
    source = Source()
    source.port = await servers.http(source.send)
    return source


@asynccontextmanager
async def importing(dock: Dock, database_url: str) -> AsyncIterator[MemoryBroker]:
    """The workers of one importer, wired as in its process, without a sweeper."""
    broker = MemoryBroker()
    settings = Settings(
        allow_local_requests_from_web_hooks_and_services=True,
        allow_http_remote_imports=True,
        worker_concurrency=1,
        remote_import_concurrency=SLOTS,
        drain_seconds=0,
    )
    ports = Ports(dock.pool, dock.store, broker, partial(session, database_url), sealer())
    async with at_work(make_importers(ports, settings)):
        yield broker


async def _project(dock: Dock, path: str) -> int:
    found: int = await dock.pool.fetchval(
        "INSERT INTO projects (namespace_id, creator_id, path, name) VALUES (1, 1, $1, $1) RETURNING id", path
    )
    return found


async def _ordered(dock: Dock, broker: MemoryBroker, source: Source, path: str) -> Job:
    project_id = await _project(dock, path)
    job = await jobs.enqueue(dock.pool, source.order, project_id=project_id, user_id=1, correlation_id="c")
    await announce(broker, job)
    return job


async def _as_before(dock: Dock, broker: MemoryBroker, source: Source, path: str) -> Job:
    """The same as an api of the version before queues it."""
    project_id = await _project(dock, path)
    async with dock.pool.acquire() as db, db.transaction():
        job = await jobs.enqueue(db, source.order, project_id=project_id, user_id=1, correlation_id="c")
        await db.execute("UPDATE jobs SET kind = 'import' WHERE id = $1", job.id)
    job = replace(job, kind=JobKind.IMPORT)
    await announce(broker, job)
    return job


async def test_sources_that_hold_all_their_slots_leave_uploaded_archives_theirs(
    dock: Dock, database_url: str, servers: Servers
) -> None:
    source = await _serving(servers)
    async with importing(dock, database_url) as broker:
        for number in range(SLOTS + 1):
            await _ordered(dock, broker, source, f"p{number}")
        await until_row(dock.pool, IN_STATE, "remote_import", "running", SLOTS)

        job = await dock.order_import(ARCHIVE)
        await announce(broker, job)
        await until_row(dock.pool, IS_FINISHED, job.id)

        assert await dock.pool.fetchval(IN_STATE, "remote_import", "running", SLOTS)
        assert await dock.pool.fetchval(IN_STATE, "remote_import", "queued", 1)
        source.released.set()
        await until_row(dock.pool, IN_STATE, "remote_import", "finished", SLOTS + 1)


async def test_a_large_import_that_holds_its_slots_leaves_small_ones_theirs(
    dock: Dock, database_url: str, servers: Servers
) -> None:
    """What holds them comes from an api of the version before, whose remote imports are imports."""
    slow = await _serving(servers)
    async with importing(dock, database_url) as broker:
        held = await _as_before(dock, broker, slow, "held")
        await until_row(dock.pool, IN_STATE, "import", "running", 1)

        job = await dock.order_import(ARCHIVE, small=len(ARCHIVE))
        await announce(broker, job)
        await until_row(dock.pool, IS_FINISHED, job.id)

        assert await dock.pool.fetchval(IN_STATE, "import", "running", 1)
        slow.released.set()
        await until_row(dock.pool, IS_FINISHED, held.id)


async def test_imports_that_hold_all_their_slots_leave_remote_ones_theirs(
    dock: Dock, database_url: str, servers: Servers
) -> None:
    """What holds them comes from an api of the version before, whose remote imports are imports."""
    slow, quick = await _serving(servers), await _serving(servers)
    quick.released.set()
    async with importing(dock, database_url) as broker:
        held = await _as_before(dock, broker, slow, "held")
        await until_row(dock.pool, IN_STATE, "import", "running", 1)

        for number in range(SLOTS + 1):
            await _ordered(dock, broker, quick, f"p{number}")
        await until_row(dock.pool, IN_STATE, "remote_import", "finished", SLOTS + 1)

        assert await dock.pool.fetchval(IN_STATE, "import", "running", 1)
        slow.released.set()
        await until_row(dock.pool, IS_FINISHED, held.id)
