"""An export is a plan: nothing is read for it, and any part of it is read as it is."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import timedelta
from random import Random

import pytest
from asyncpg.connection import LoggedQuery

from shared.assembly.blocks import BlockCorrupt
from shared.assembly.plan import HeadFile, etag_of, plan_ends
from shared.database.pool import Pool
from shared.exports import archives
from shared.exports.archive_reader import ArchiveReader
from shared.exports.archives import ArchivePlan, FinishedArchive
from shared.jobs.progress import Progress
from shared.ledger import objects
from shared.ledger.collector import Collector
from shared.ledger.presence import ObjectCut
from shared.snapshots import body as bodies
from shared.snapshots import reading
from shared.snapshots.errors import SnapshotGone
from shared.snapshots.reading import keep_for_reading
from tests.support.counting import CountingStore, flip
from tests.support.jobs import claimed
from tests.support.projects import MINIMAL, PROJECT, VERSION, Dock, Files, archive, files
from tests.support.waiting import until_row

RANDOM = Random(7)  # noqa: S311  # the same every time
MANY = [(f"uploads/{n * 7 % 3000:05}", b"%d" % n * (1 + n % 9)) for n in range(3000)]
MIXED = archive(
    [
        ("uploads/a/", b""), ("uploads/a/large", RANDOM.randbytes(1_500_000)), VERSION,
        ("tree/project/issues.ndjson", b'{"title":"a"}\nbroken\n{"title":"b"}\n'),
        ("uploads/empty", b""), PROJECT,
        ("uploads/b", b"small"), ("tree/project/labels.ndjson", b""), ("uploads/c/large", bytes(900_000)),
        ("uploads/long/" + "n" * 200, b"x" * 513), ("uploads/last/", b""),
    ]
)  # fmt: skip


async def _exported(dock: Dock) -> FinishedArchive:
    job = await dock.order_export()
    await dock.exported(job, await claimed(dock.pool, job))
    return await _found(dock)


async def _found(dock: Dock) -> FinishedArchive:
    found = await archives.find(dock.pool, project_id=1, user_id=1)
    assert found is not None
    return found


async def _forget_layout(pool: Pool) -> None:
    """Leave the snapshots as a version before this one did."""
    await pool.execute("DELETE FROM archives")
    await pool.execute("DELETE FROM runs")
    await pool.execute("UPDATE snapshots SET layout = NULL, document = NULL")


async def _planned(dock: Dock, store: CountingStore) -> tuple[int, list[str]]:
    """The bytes read for a plan, and its statements."""
    statements: list[str] = []

    def count(query: LoggedQuery) -> None:
        if not any(word in query.query for word in ("pg_advisory_unlock_all", "typeinfo", "jit")):
            statements.append(query.query)

    job = await dock.order_export()
    lease = await claimed(dock.pool, job)
    await dock.pool.execute("UPDATE objects SET seen_at = NULL")
    before = store.bytes_read
    holders = [holder._con for holder in dock.pool._holders if holder._con]  # type: ignore[attr-defined]  # all of it
    for connection in holders:
        connection.add_query_logger(count)
    await dock.exporter.run(job, lease, Progress())
    for connection in holders:
        connection.remove_query_logger(count)
    return store.bytes_read - before, statements


async def test_a_plan_reads_no_stored_byte_and_its_statements_do_not_grow_with_entries(
    dock: Dock, store: CountingStore
) -> None:
    await dock.run_import(archive([*MINIMAL, *MANY[:1]]))
    await _planned(dock, store)  # what is asked once on each connection
    few_read, few = await _planned(dock, store)
    await dock.run_import(archive([*MINIMAL, *MANY]))
    many_read, many = await _planned(dock, store)
    assert (few_read, many_read) == (0, 0)
    assert many == few
    assert dock.stored("archives/") == []


async def test_many_small_files_in_any_order_are_one_request(dock: Dock, store: CountingStore) -> None:
    dock.packed_up_to = 8 * 2**20
    await dock.run_import(archive([*MANY, *MINIMAL]))
    await _exported(dock)
    store.reads.clear()
    assert files(await dock.archive(await _found(dock))).items() >= dict(MANY).items()
    assert len(store.reads) == 1


def _random_files(random: Random) -> Files:
    """Files of all kinds in any order. Those whose name is not their digest are left out, and leave holes."""
    made = [VERSION, PROJECT, ("tree/project/labels.ndjson", b"")]
    lines = b'{"title":"a"}\n' * random.choice([1, 9, 90_000])
    made.append(("tree/project/issues.ndjson", b"broken\n" + lines))
    for number in range(random.randrange(25)):
        size = random.choice([0, 1, 511, 512, 513, 9000, 300_000])
        data = random.choice([bytes(size), random.randbytes(size)])
        names = [f"uploads/{number}/", f"uploads/{number}/{'n' * 120}", f"lfs-objects/{number:064}"]
        name = random.choice([f"uploads/{number}/f", *names])
        made.append((name, b"" if name.endswith("/") else data))
    made.append(("uploads/large", random.randbytes(1_200_000)))
    random.shuffle(made)
    return made


async def _random_export(dock: Dock, seed: int) -> tuple[FinishedArchive, bytes, Random]:
    random = Random(seed)  # noqa: S311  # the same every time
    dock.packed_up_to = random.choice([600, 400_000, 8 * 2**20])
    made = _random_files(random)
    assert (await dock.run_import(archive(made))).error is None
    if seed % 2:
        await _forget_layout(dock.pool)
    found = await _exported(dock)
    whole = await dock.archive(found)
    assert len(whole) == found.size
    kept = {name: data for name, data in made if not name.startswith("lfs-objects/")}
    kept["tree/project/issues.ndjson"] = kept["tree/project/issues.ndjson"].replace(b"broken\n", b"")
    assert files(whole) == kept | {"./": b""}
    return found, whole, random


@pytest.mark.parametrize("seed", range(12))
async def test_any_range_of_any_archive_is_the_slice_of_the_whole(dock: Dock, seed: int) -> None:
    found, whole, random = await _random_export(dock, seed)
    starts = [row["start"] for row in await dock.pool.fetch("SELECT start FROM runs")]
    edges = [found.head_size + start for start in starts] + [0, found.size - 1]
    for edge in [*edges, *(random.randrange(found.size) for _ in range(20))]:
        start = min(max(edge - random.choice([0, 1, 7]), 0), found.size - 1)
        length = min(random.choice([1, 2, 600, 70_000]), found.size - start)
        assert await dock.archive(found, start, length) == whole[start : start + length]


@pytest.mark.parametrize("seed", range(4))
async def test_a_bit_that_is_wrong_in_any_object_is_given_to_nobody(dock: Dock, seed: int) -> None:
    found, whole, random = await _random_export(dock, seed)
    keys = await dock.pool.fetch("SELECT DISTINCT key FROM objects o JOIN runs r ON r.object_id = o.id")
    for path in (dock.root / row["key"] for row in keys):
        position = random.randrange(path.stat().st_size)
        flip(path, position)
        got = bytearray()
        with pytest.raises(BlockCorrupt):
            await _receive(dock, found, got)
        assert len(got) < len(whole)
        assert whole.startswith(got)
        flip(path, position)
    assert await dock.archive(found) == whole


async def _receive(dock: Dock, found: FinishedArchive, got: bytearray) -> None:
    async for piece in ArchiveReader(dock.pool, dock.blocks).read(found, 0, found.size):
        got.extend(piece)


async def test_an_archive_of_an_older_version_is_read_as_the_object_that_it_is(
    dock: Dock, store: CountingStore
) -> None:
    job = await dock.order_export()
    named = await objects.register(dock.pool, kind="archive")
    async with store.create(named.key) as writer:
        await writer.write(MIXED)
        await writer.commit()
    plan = ArchivePlan(object_id=named.id, size=len(MIXED), sha256=bytes(32))
    await archives.keep_newest(dock.pool, job, plan, file_name="f", retention=timedelta(hours=1))
    found = await _found(dock)
    assert found.etag == "00" * 32
    assert await dock.archive(found, 5, 1000) == MIXED[5:1005]


async def test_a_snapshot_without_runs_is_laid_out_once_and_nothing_is_moved(
    dock: Dock, store: CountingStore
) -> None:
    await dock.run_import(archive([*MANY, *MINIMAL]))
    await _forget_layout(dock.pool)
    await _exported(dock)
    runs = await dock.pool.fetch("SELECT * FROM runs ORDER BY start")
    store.reads.clear()
    found = await _exported(dock)
    assert await dock.pool.fetch("SELECT * FROM runs ORDER BY start") == runs
    store.reads.clear()
    await dock.archive(found)
    assert len(store.reads) <= 3  # 6,000 items: two windows
    assert dock.stored("archives/") == []


async def test_two_exports_of_a_snapshot_without_runs_at_once_lay_it_out_once(dock: Dock) -> None:
    await dock.pool.execute("INSERT INTO users (username, name) VALUES ('bob', 'Bob')")
    await dock.run_import(MIXED)
    await _forget_layout(dock.pool)
    first, second = await asyncio.gather(dock.run_export(), dock.run_export(user_id=2))
    assert first == second


@pytest.mark.parametrize("part", ["first", "middle", "last"])
async def test_a_bit_that_is_wrong_ends_the_archive_before_its_block(
    dock: Dock, store: CountingStore, part: str
) -> None:
    dock.packed_up_to = 8 * 2**20
    await dock.run_import(MIXED)
    found = await _exported(dock)
    whole = await dock.archive(found)
    (key,) = dock.stored("packs/")
    size = (dock.root / key).stat().st_size
    flip(dock.root / key, {"first": 200, "middle": size // 2, "last": size - 1}[part])
    got = bytearray()
    with pytest.raises(BlockCorrupt):
        await _receive(dock, found, got)
    assert len(got) < found.size
    assert bytes(got) == whole[: len(got)]


async def test_an_object_of_another_size_is_not_exported(dock: Dock, store: CountingStore) -> None:
    await dock.run_import(MIXED)
    (dock.root / dock.stored("blobs/")[0]).write_bytes(b"cut")
    with pytest.raises(ObjectCut):
        await dock.run_export()


async def test_objects_that_were_there_are_not_asked_for_again_for_some_minutes(
    dock: Dock, store: CountingStore
) -> None:
    await dock.run_import(MIXED)
    await dock.run_export()
    asked = len(store.stats)
    assert asked == len(set(store.stats)) == 3
    await dock.run_export()
    assert len(store.stats) == asked
    await dock.pool.execute("UPDATE objects SET seen_at = seen_at - interval '11 minutes'")
    await dock.run_export()
    assert len(store.stats) == 2 * asked


async def test_a_long_head_is_an_object_and_the_archive_the_same(dock: Dock) -> None:
    document = b'{"x":"%s"}' % RANDOM.randbytes(400_000).hex().encode()
    await dock.run_import(archive([VERSION, (PROJECT[0], document), ("uploads/a", b"1")]))
    whole = await dock.run_export(description="new")
    found = await _found(dock)
    assert found.head is None
    assert len(dock.stored("archives/")) == 1
    assert files(whole)["uploads/a"] == b"1"
    assert files(whole)[PROJECT[0]].startswith(b'{"x"')
    await dock.run_export()
    again = await dock.archive(await _found(dock))
    assert files(again)[PROJECT[0]] == document


async def test_two_versions_of_the_layout_share_no_entity_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = plan_ends([HeadFile("VERSION", 5, b"1")], None, root_mtime=5)
    before = etag_of(ends, None, 1)
    monkeypatch.setattr("shared.assembly.plan.LAYOUT", bodies.LAYOUT + 1)
    assert etag_of(ends, None, 1) != before
    monkeypatch.undo()
    assert (etag_of(ends, None, 1), etag_of(ends, None, 2) != before) == (before, True)


async def _collected(dock: Dock) -> None:
    for _ in range(2):
        await dock.collect()
        await Collector(dock.pool, dock.store, grace=timedelta(0)).collect_objects()


async def _change(dock: Dock, what: str) -> None:
    if what == "delete":
        await dock.pool.execute("DELETE FROM projects WHERE id = 1")
    elif what == "expire":
        await dock.pool.execute("UPDATE archives SET expires_at = now()")
    else:
        await dock.run_import(archive(MINIMAL))
    if what == "export again":
        await dock.run_export()


@pytest.mark.parametrize("what", ["overwrite", "export again", "delete", "expire"])
async def test_a_download_ends_whole_whatever_happens_meanwhile(dock: Dock, what: str) -> None:
    await dock.run_import(MIXED)
    found = await _exported(dock)
    whole = await dock.archive(found)
    got = bytearray()
    read = ArchiveReader(dock.pool, dock.blocks).read
    async with keep_for_reading(dock.pool, found.snapshot_id), aclosing(read(found, 0, found.size)) as pieces:
        got.extend(await anext(pieces))
        await _change(dock, what)
        await _collected(dock)
        async for piece in pieces:
            got.extend(piece)
    assert bytes(got) == whole
    if what == "expire":
        return  # it is still the project's content
    await dock.pool.execute("UPDATE snapshots SET read_until = now() - interval '1 second'")
    await dock.pool.execute("DELETE FROM archives")
    await _collected(dock)
    assert found.snapshot_id not in await dock.snapshots()
    with pytest.raises(SnapshotGone):
        await dock.archive(found)


async def test_a_finished_export_keeps_its_snapshot(dock: Dock) -> None:
    await dock.run_import(MIXED)
    found = await _exported(dock)
    whole = await dock.archive(found)
    await dock.run_import(archive(MINIMAL))
    await _collected(dock)
    assert await dock.archive(found) == whole


async def test_a_snapshot_is_kept_for_as_long_as_it_is_read(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PROLONG_EVERY", timedelta(milliseconds=1))
    await dock.run_import(MIXED)
    (snapshot_id,) = await dock.snapshots()
    async with keep_for_reading(dock.pool, snapshot_id):
        await dock.pool.execute("UPDATE snapshots SET read_until = now() - interval '1 hour'")
        await until_row(dock.pool, "SELECT read_until > now() FROM snapshots")


async def test_a_snapshot_that_is_collected_cannot_be_kept(dock: Dock) -> None:
    async def keep() -> None:
        async with keep_for_reading(dock.pool, 7):
            pass

    with pytest.raises(SnapshotGone):
        await keep()


def test_nothing_is_read_for_an_archive_without_content() -> None:
    ends = plan_ends([HeadFile("VERSION", 5, b"0.2.4")], None, root_mtime=5)
    assert files(ends.head + ends.tail) == {"./": b"", "VERSION": b"0.2.4"}
    assert len(ends.head + ends.tail) == ends.size
