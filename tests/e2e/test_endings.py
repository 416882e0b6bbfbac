"""SIGTERM ends every process, in the time that it has, whatever it is at."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import asyncpg
import pytest
from yarl import URL

from shared.database.migrate import _LOCK
from tests.support.gitlab import GitLab
from tests.support.large import write_large
from tests.support.sealing import KEY
from tests.support.system import System, crossdock, standalone
from tests.support.waiting import until_row

DRAIN = 15.0
ENDED = 128 + signal.SIGTERM

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def draining() -> Iterator[System]:
    with standalone(CROSSDOCK_DRAIN_SECONDS=str(DRAIN)) as system:
        yield system


@pytest.fixture
def resources() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@asynccontextmanager
async def _silent_server() -> AsyncIterator[tuple[int, asyncio.Event]]:
    """A database that takes connections and says nothing: its port, and whether somebody has come."""
    came = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], came


def _begun(system: System, project: int) -> socket.socket:
    """Ask for a download, and read no more than its head."""
    url = URL(system.url)
    reader = socket.create_connection((str(url.host), url.port or 0), timeout=60)
    path = f"/api/v4/projects/{project}/export/download"
    reader.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nPRIVATE-TOKEN: {system.token}\r\n\r\n".encode())
    assert reader.recv(12) == b"HTTP/1.1 200"
    return reader


async def test_a_client_that_does_not_read_keeps_nobody_beyond_the_time_to_drain(
    draining: System, tmp_path: Path
) -> None:
    write_large(tmp_path / "large.tar.gz", relations=2, blobs=1, blob_size=64)
    async with aiohttp.ClientSession() as session:
        gitlab = GitLab(session, draining.url, draining.token)
        imported = await gitlab.import_file(tmp_path / "large.tar.gz", "p")
        assert (await gitlab.export(imported["id"]))["export_status"] == "finished"
    process = draining.processes["standalone"]
    with await asyncio.to_thread(_begun, draining, imported["id"]):
        told = time.monotonic()
        os.kill(process.pid, signal.SIGTERM)
        assert await asyncio.to_thread(process.wait) == 0
    # Four fifths of it are for requests at work. What it must not be is twice that.
    assert 0.8 * DRAIN < time.monotonic() - told < 1.6 * DRAIN


@pytest.mark.parametrize("service", ["api", "importer", "migrate"])
async def test_a_process_that_waits_for_the_database_ends_when_it_is_told_to(
    service: str, resources: ExitStack, tmp_path: Path
) -> None:
    async with _silent_server() as (port, came):
        url = f"postgresql://crossdock@127.0.0.1:{port}/crossdock"
        env = {"CROSSDOCK_DATABASE_URL": url, "CROSSDOCK_SECRETS_KEY": KEY}
        process = crossdock(service, directory=tmp_path / service, env=env, resources=resources)
        async with asyncio.timeout(60):
            await came.wait()
        os.kill(process.pid, signal.SIGTERM)
        assert await asyncio.to_thread(process.wait) == ENDED


async def test_a_migration_that_waits_for_another_ends_when_it_is_told_to(
    database_url: str, resources: ExitStack, tmp_path: Path
) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        env = {"CROSSDOCK_DATABASE_URL": database_url}
        process = crossdock("migrate", directory=tmp_path / "migrate", env=env, resources=resources)
        await until_row(connection, "SELECT count(*) FROM pg_locks WHERE NOT granted")
        os.kill(process.pid, signal.SIGTERM)
        assert await asyncio.to_thread(process.wait) == ENDED
    finally:
        await connection.close()
