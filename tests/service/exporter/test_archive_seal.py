"""Where the settings want it, exporters read finished archives once, below their jobs."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from random import Random

import pytest

from services.exporter.archive_seal import ArchiveSeal
from services.exporter.wiring import make_exporters
from services.process.ports import Ports
from shared.broker.memory import MemoryBroker
from shared.database.pool import session
from shared.errors import ObjectMissing
from shared.exports import archives
from shared.exports.archive_reader import ArchiveReader
from shared.exports.archives import FinishedArchive
from shared.jobs.outbox import announce
from shared.jobs.progress import Progress
from shared.settings.environment import Settings
from tests.support.counting import CountingStore
from tests.support.jobs import claimed
from tests.support.projects import Dock, project
from tests.support.sealing import sealer
from tests.support.waiting import until_row
from tests.support.workers import at_work

CONTENT = project(("uploads/noise", Random(1).randbytes(1_500_000)), ("uploads/b", b"b"))  # noqa: S311  # the same every time
KNOWN = "SELECT sha256 FROM archives"


@pytest.fixture
async def exported(dock: Dock) -> Dock:
    """One with a finished export that nobody has read."""
    assert (await dock.run_import(CONTENT)).error is None
    job = await dock.order_export()
    await dock.exporter.run(job, await claimed(dock.pool, job), Progress())
    return dock


def _seal(dock: Dock) -> ArchiveSeal:
    return ArchiveSeal(dock.pool, ArchiveReader(dock.pool, dock.blocks))


async def test_an_archive_is_read_once_and_its_sha256_known(exported: Dock) -> None:
    exported.store = store = CountingStore(exported.root)
    assert await _seal(exported).read_next()
    digest = await exported.pool.fetchval(KNOWN)
    found = await archives.find(exported.pool, project_id=1, user_id=1)
    assert found is not None
    reads = len(store.reads)
    assert not await _seal(exported).read_next()
    assert len(store.reads) == reads
    assert digest == hashlib.sha256(await exported.archive(found)).digest()


async def test_an_archive_is_read_by_one_process_until_its_claim_is_over(exported: Dock) -> None:
    claim = partial(archives.claim_unread, exported.pool, lasting=timedelta(hours=1))
    assert await claim() is not None
    assert await claim() is None
    await exported.pool.execute("UPDATE archives SET read_after = now() - interval '1 second'")
    assert await claim() is not None


async def test_an_archive_that_cannot_be_read_is_left_for_a_while(exported: Dock) -> None:
    await exported.store.delete(exported.stored("blobs/"))
    with pytest.raises(ObjectMissing):
        await _seal(exported).read_next()
    assert not await _seal(exported).read_next()


async def test_an_archive_that_has_expired_is_not_read(exported: Dock) -> None:
    await exported.pool.execute("UPDATE archives SET expires_at = now()")
    assert not await _seal(exported).read_next()


class _BusyReader(ArchiveReader):
    """Gives three pieces of its own; a job begins with the first one."""

    def __init__(self, dock: Dock) -> None:
        super().__init__(dock.pool, dock.blocks)
        self.given = 0
        self.begun = asyncio.Event()
        self.job = ExitStack()
        self.seal = ArchiveSeal(dock.pool, self)

    async def read(
        self,
        archive: FinishedArchive,
        start: int,
        length: int,
    ) -> AsyncGenerator[bytes, None]:
        """See ArchiveReader."""
        self.job.enter_context(self.seal.paused())
        for _ in range(3):
            self.given += 1
            self.begun.set()
            yield b"piece"


async def test_no_archive_is_begun_while_a_job_is_under_way(exported: Dock) -> None:
    seal = _seal(exported)
    with seal.paused():
        reading = asyncio.create_task(seal.read_next())
        await _turns()
        assert await exported.pool.fetchval("SELECT read_after < now() FROM archives")
    assert await reading
    assert await exported.pool.fetchval(KNOWN)


async def test_an_archive_that_is_read_waits_for_a_job_that_begins(exported: Dock) -> None:
    reader = _BusyReader(exported)
    reading = asyncio.create_task(reader.seal.read_next())
    await reader.begun.wait()
    await _turns()
    assert reader.given == 1
    reader.job.close()
    assert await reading
    assert reader.given == 3


async def _turns() -> None:
    for _ in range(100):
        await asyncio.sleep(0)


async def test_a_job_that_ends_wakes_the_reading_of_archives(
    dock: Dock, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.exporter.archive_seal._LOOK_EVERY", timedelta(hours=1))
    assert (await dock.run_import(CONTENT)).error is None
    broker = MemoryBroker()
    ports = Ports(dock.pool, dock.store, broker, partial(session, database_url), sealer())
    with_seal = make_exporters(ports, Settings(export_seal=True))
    assert len(make_exporters(ports, Settings())) == len(with_seal) - 1
    async with at_work(make_exporters(ports, Settings(export_seal=True))):
        await announce(broker, await dock.order_export())
        await until_row(dock.pool, "SELECT sha256 IS NOT NULL FROM archives")


async def test_reading_goes_on_with_other_archives_after_an_error_and_ends_when_it_is_told(
    exported: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.exporter.archive_seal._LOOK_EVERY", timedelta(milliseconds=1))
    kept = exported.root / exported.stored("blobs/")[0]
    content = kept.read_bytes()
    kept.unlink()
    async with at_work([_seal(exported)]):
        await until_row(exported.pool, "SELECT read_after > now() FROM archives")
        kept.write_bytes(content)
        await exported.pool.execute("UPDATE archives SET read_after = now() - interval '1 second'")
        await until_row(exported.pool, "SELECT sha256 IS NOT NULL FROM archives")
