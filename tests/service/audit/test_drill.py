"""The drill of backup and restore: the database first, then the bucket, then the check of both."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from shared.database.pool import database
from shared.errors import ObjectMissing
from shared.ledger.collector import Collector
from shared.snapshots.writer import write_snapshot
from tests.support.audits import GRACE, aged, audited
from tests.support.jobs import claimed
from tests.support.postgres import PostgresServer, binaries
from tests.support.projects import Dock, project

OTHER = project(("uploads/1/other", bytes(range(256)) * 8), issues=b'{"title":"other"}\n')


async def execute(program: str, *arguments: str | Path) -> None:
    """Run a program of Postgres."""
    command = [binaries() / program, *arguments]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)


async def dump(url: str, to: Path) -> None:
    """Dump the database as an operator does."""
    await execute("pg_dump", "--file", to, url)


def copy(dock: Dock, to: Path) -> None:
    """Copy the bucket as it is now."""
    shutil.copytree(dock.root / "bucket", to)
    for path in to.rglob("*"):
        if path.is_file():
            aged(path)


@asynccontextmanager
async def restored(server: PostgresServer, dumped: Path, bucket: Path) -> AsyncIterator[Dock]:
    """Restore a dump into a new database, over a copy of the bucket."""
    async with server.database() as url:
        await execute("psql", "--quiet", "--set", "ON_ERROR_STOP=1", "--file", dumped, url)
        async with database(url, size=2) as pool:
            yield Dock(pool, bucket)


@pytest.fixture
def bucket(dock: Dock, tmp_path: Path) -> Path:
    """Where the dock keeps its objects, so that dump and copy can lie beside them."""
    (tmp_path / "bucket").mkdir()
    for name in ("uploads", "packs", "blobs"):
        (tmp_path / name).rename(tmp_path / "bucket" / name)
    dock.store = type(dock.store)(tmp_path / "bucket")  # type: ignore[call-arg]  # a folder
    return tmp_path / "bucket"


async def collect(dock: Dock, grace: timedelta = GRACE) -> None:
    """Collect as the sweeper does in some rounds."""
    collector = Collector(dock.pool, dock.store, grace=grace)
    for _ in range(3):
        await collector.collect_snapshots()
        await collector.collect_objects()


@pytest.mark.usefixtures("bucket")
async def test_what_is_restored_has_nothing_but_orphans_and_exports_the_same(
    dock: Dock, database_url: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    before = await dock.run_export()
    second = await dock.add_project("second")
    order = await dock.order_import(OTHER, project_id=second)
    lease = await claimed(dock.pool, order)
    async with write_snapshot(dock.pool, dock.store, lease, project_id=second, packed_up_to=3) as writer:
        for name in ("one", "three"):  # of which the second is a large one
            sink = await writer.blob(name, 5, size=len(name))
            await sink.place(sink.encode(name.encode()))
            await sink.commit(hashlib.sha256(name.encode()).digest())
        await dump(database_url, tmp_path / "dump.sql")
        await writer.close()
    await dock.pool.execute("UPDATE objects SET touched_at = touched_at - interval '30 days'")
    assert (await dock.run_import(OTHER)).error is None  # in place of what was exported
    await dock.pool.execute("DELETE FROM archives")
    await collect(dock)
    copy(dock, tmp_path / "copy")
    async with restored(postgres_server, tmp_path / "dump.sql", tmp_path / "copy") as found:
        assert {finding.kind.value for finding in await audited(found)} == {"orphan"}
        assert await found.run_export() == before


@pytest.mark.usefixtures("bucket")
async def test_a_bucket_that_was_copied_first_lacks_what_came_before_the_dump(
    dock: Dock, database_url: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    copy(dock, tmp_path / "copy")
    assert (await dock.run_import(OTHER)).error is None
    await dump(database_url, tmp_path / "dump.sql")
    async with restored(postgres_server, tmp_path / "dump.sql", tmp_path / "copy") as found:
        assert "object_missing" in {finding.kind.value for finding in await audited(found, reads=False)}
        with pytest.raises(ObjectMissing):
            await found.run_export()


@pytest.mark.usefixtures("bucket")
async def test_a_copy_that_takes_longer_than_the_grace_time_lacks_what_the_dump_names(
    dock: Dock, database_url: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    await dump(database_url, tmp_path / "dump.sql")
    assert (await dock.run_import(OTHER)).error is None
    await dock.pool.execute("UPDATE jobs SET finished_at = finished_at - interval '2 days'")
    await collect(dock, timedelta(0))
    copy(dock, tmp_path / "copy")
    async with restored(postgres_server, tmp_path / "dump.sql", tmp_path / "copy") as found:
        assert "object_missing" in {finding.kind.value for finding in await audited(found, reads=False)}
