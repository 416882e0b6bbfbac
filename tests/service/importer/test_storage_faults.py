"""A store that answers 500, cuts bodies short or loses a part costs an attempt at most, and no byte."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.errors import CrossdockError, ObjectMissing, StorageError
from shared.jobs import store as jobs
from shared.jobs.progress import Progress
from shared.ledger.collector import Collector
from shared.storage.s3 import s3_store
from tests.support.buckets import made_bucket
from tests.support.faulty_store import FaultyStore, Spoil, faulty_store
from tests.support.jobs import claimed
from tests.support.objects import PART, keys, leftovers, s3_config
from tests.support.projects import Dock, files, ndjson, project
from tests.support.seaweedfs import S3Server

ISSUES = ndjson(*(b'{"title":"%d"}' % number for number in range(2000)))
BLOB = random.Random(7).randbytes(PART + 1000)  # noqa: S311  # any that cannot be compressed
PACKED = project((f"uploads/{'0' * 32}/large", BLOB), issues=ISSUES)
ALWAYS = 1000

PASSING = {
    "one error while the pack is put": (Spoil.ERROR, "PUT", "/packs/"),
    "one error while a part is put": (Spoil.ERROR, "PUT", "partNumber=2"),
    "one error while the parts are joined": (Spoil.ERROR, "POST", "uploadId="),
    "the archive is cut short once": (Spoil.CUT, "GET", "/uploads/"),
    "half of the archive comes as if it were all": (Spoil.SHORT, "GET", "/uploads/"),
}
LASTING = {
    "errors while the archive is read": (Spoil.ERROR, "GET", "/uploads/"),
    "errors while the pack is put": (Spoil.ERROR, "PUT", "/packs/"),
    "errors while parts are put": (Spoil.ERROR, "PUT", "partNumber="),
    "errors while the parts are joined": (Spoil.ERROR, "POST", "uploadId="),
    "a part is lost": (Spoil.LOSE, "PUT", "partNumber=1"),
}


@pytest.fixture
async def faulty(dock: Dock, s3_server: S3Server) -> AsyncIterator[FaultyStore]:
    await made_bucket(s3_server)
    async with faulty_store(s3_server.endpoint) as proxy:
        config = s3_config(s3_server, endpoint_url=proxy.url, attempts=2)
        async with s3_store(config) as store:
            dock.store = store
            yield proxy


async def _attempt(dock: Dock, number: int) -> CrossdockError | None:
    """Run the import once, as a worker does, and give what stopped it."""
    job = await jobs.find(dock.pool, number)
    assert job is not None
    lease = await claimed(dock.pool, job)
    try:
        await dock.importer.run(job, lease, Progress())
    except CrossdockError as error:
        await jobs.retry(dock.pool, lease, error="e", code=error.code, delay=timedelta(0))
        return error
    return None


async def _assert_whole(dock: Dock) -> None:
    """The project is as its archive, and the store has nothing but what rows name."""
    out = files(await dock.run_export())
    assert out["tree/project/issues.ndjson"] == ISSUES
    assert out[f"uploads/{'0' * 32}/large"] == BLOB
    await dock.collect()
    named = {row["key"] for row in await dock.pool.fetch("SELECT key FROM objects")}
    assert set(await keys(dock.store)) == named
    assert sorted(key.partition("/")[0] for key in named) == ["blobs", "packs"]
    assert await leftovers(dock.store) == 0


@pytest.mark.parametrize(("spoil", "method", "word"), PASSING.values(), ids=PASSING.keys())
async def test_an_attempt_outlives_a_request_that_the_store_spoils_once(
    dock: Dock, faulty: FaultyStore, spoil: Spoil, method: str, word: str
) -> None:
    job = await dock.order_import(PACKED)
    faulty.spoil(spoil, method, word)
    assert await _attempt(dock, job.id) is None
    assert faulty.spoiled == 1
    await _assert_whole(dock)


@pytest.mark.parametrize(("spoil", "method", "word"), LASTING.values(), ids=LASTING.keys())
async def test_a_store_that_spoils_every_request_costs_an_attempt_and_the_next_is_whole(
    dock: Dock, faulty: FaultyStore, spoil: Spoil, method: str, word: str
) -> None:
    job = await dock.order_import(PACKED)
    faulty.spoil(spoil, method, word, times=ALWAYS)
    error = await _attempt(dock, job.id)
    assert isinstance(error, StorageError)
    assert error.retryable
    assert await dock.pool.fetchval("SELECT snapshot_id FROM projects") is None
    faulty.heal()
    assert await _attempt(dock, job.id) is None
    await _assert_whole(dock)


async def test_a_pack_that_the_store_took_and_lost_is_told_by_the_export_and_never_sent(
    dock: Dock, faulty: FaultyStore
) -> None:
    job = await dock.order_import(PACKED)
    faulty.spoil(Spoil.LOSE, "PUT", "/packs/")
    assert await _attempt(dock, job.id) is None
    assert faulty.spoiled == 1
    with pytest.raises(ObjectMissing):
        await dock.run_export()
    assert await dock.pool.fetchval("SELECT count(*) FROM archives") == 0


async def test_an_object_that_cannot_be_deleted_is_collected_later(dock: Dock, faulty: FaultyStore) -> None:
    await _attempt(dock, (await dock.order_import(project(issues=ISSUES))).id)
    await dock.pool.execute("DELETE FROM projects")
    faulty.spoil(Spoil.ERROR, "POST", "delete", times=ALWAYS)
    collector = Collector(dock.pool, dock.store, grace=timedelta(0))
    await collector.collect_snapshots()
    for _ in range(2):
        assert await collector.collect_objects() == 0
    kept = await keys(dock.store)
    assert kept
    faulty.heal()
    await dock.collect()
    assert (await keys(dock.store), await dock.pool.fetchval("SELECT count(*) FROM objects")) == ([], 0)
