"""The body of an archive, as its runs say: whole, in the order of arrival, whatever came."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from io import BytesIO
from random import Random

import pytest

from shared.database.pool import Pool
from shared.gitlab.features import ProjectFeatures
from shared.gitlab.layout import PROJECT, VERSION
from shared.jobs import store as jobs
from shared.ledger.collector import Collector
from shared.segments.assembler import GzipAssembler
from shared.segments.encoder import Extent
from shared.snapshots import appending, lifecycle, lookups, pack, runs
from shared.snapshots.models import Body
from shared.snapshots.reader import read_run
from shared.snapshots.writer import SnapshotWriter, write_snapshot
from shared.storage.composition import ObjectRange
from shared.storage.filesystem import FilesystemStore
from tests.support.jobs import claimed, queued

SMALL = 300_000
Entry = tuple[str, str, bytes]


async def _write(writer: SnapshotWriter, kind: str, name: str, data: bytes) -> None:
    if kind == "directory":
        await writer.directory(f"{name}/", 5)
    elif kind == "relation":
        lines = writer.relation(name, 5)
        for line in data.splitlines(keepends=True):
            await lines.write([line])
        await lines.commit()
    else:
        sink = await writer.blob(name, 5, size=len(data))
        for at in range(0, len(data), 100_000):
            await sink.place(sink.encode(data[at : at + 100_000]))
        digest = hashlib.sha256(data).digest()
        await (sink.abort() if kind == "left out" else sink.commit(digest))


@asynccontextmanager
async def _written(pool: Pool, store: FilesystemStore) -> AsyncIterator[SnapshotWriter]:
    """A snapshot to write into, which is the project's after the block."""
    lease = await claimed(pool, await queued(pool))
    async with write_snapshot(pool, store, lease, project_id=1, packed_up_to=SMALL) as writer:
        yield writer
        await writer.close()
    async with pool.acquire() as db, db.transaction():
        await lifecycle.commit(
            db, snapshot_id=writer.snapshot_id, project_id=1, features=ProjectFeatures(), body=writer.body
        )
        await jobs.finish(db, lease, progress={})


async def _snapshot(pool: Pool, store: FilesystemStore, entries: list[Entry]) -> int:
    async with _written(pool, store) as writer:
        for kind, name, data in entries:
            await _write(writer, kind, name, data)
    return writer.snapshot_id


async def _body(pool: Pool, snapshot_id: int) -> Body:
    body = await runs.find_body(pool, snapshot_id)
    assert body is not None
    return body


async def _members(pool: Pool, store: FilesystemStore, snapshot_id: int) -> list[tuple[str, bytes]]:
    """What an archive of nothing but the body has, in its order, if all of its sums are right."""
    body, stored = await _body(pool, snapshot_id), b""
    async for placed in runs.read_runs(pool, snapshot_id):
        assert placed.run.start == len(stored)
        stored += placed.run.lead
        if placed.run.size:
            stored += await read_run(store, ObjectRange(placed.key, placed.run.position, placed.run.size))
    assert len(stored) == body.size
    gzip = GzipAssembler()
    head = gzip.header()
    gzip.add(Extent(body.raw_size, body.size, body.crc32))
    packed = head + stored + gzip.own(bytes(1024)) + gzip.finish()
    with tarfile.open(fileobj=BytesIO(packed), mode="r:gz") as tar:
        found = []
        for member in tar:
            file = tar.extractfile(member)
            found.append((member.name.removeprefix("./"), file.read() if file else b""))
        return found


def _expected(entries: list[Entry]) -> list[tuple[str, bytes]]:
    return [(name, data) for kind, name, data in entries if kind != "left out"]


def _random_entries(seed: int) -> list[Entry]:
    random = Random(seed)  # noqa: S311  # the same every time
    entries: list[Entry] = []
    for number in range(random.randint(0, 40)):
        kind = random.choice(["directory", "relation", "blob", "blob", "blob", "left out"])
        size = random.choice([0, 1, 511, 512, 513, 4096, 270_000, 290_000, 310_000, 1_200_000])
        name = f"{number}/" + "n" * random.choice([1, 1, 120])
        if kind == "directory":
            entries.append(("directory", name, b""))
        elif kind == "relation":
            entries.append(("relation", name, b'{"x":"%s"}\n' % (b"y" * 90) * (size // 100)))
        else:
            data = random.randbytes(size) if random.random() < 0.5 else bytes(size)
            entries.append((kind, name, data))
    return entries


@pytest.mark.parametrize("seed", range(20))
async def test_runs_are_ready_bytes_of_an_archive_of_all_entries(
    pool: Pool, store: FilesystemStore, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack.Pack.__init__, "__kwdefaults__", {"longest": 700_000})
    entries = _random_entries(seed)
    snapshot_id = await _snapshot(pool, store, entries)
    assert await _members(pool, store, snapshot_id) == _expected(entries)
    assert (await _body(pool, snapshot_id)).entries == len(_expected(entries))


async def test_what_an_export_makes_itself_is_in_no_run(pool: Pool, store: FilesystemStore) -> None:
    entries: list[Entry] = [
        ("blob", "a", b"1"), ("blob", VERSION, b"0.2.4"), ("blob", "b", b"2"), ("blob", PROJECT, b"{}"),
        ("blob", "c", b"3"),
    ]  # fmt: skip
    snapshot_id = await _snapshot(pool, store, entries)
    assert await _members(pool, store, snapshot_id) == [("a", b"1"), ("b", b"2"), ("c", b"3")]
    placed = await lookups.find_entry(pool, snapshot_id, PROJECT)
    assert placed
    stored = await read_run(store, ObjectRange(placed.key, placed.entry.position, placed.entry.stored_size))
    assert (await _body(pool, snapshot_id)).document == stored


async def test_many_small_files_are_one_run(pool: Pool, store: FilesystemStore) -> None:
    entries: list[Entry] = [("blob", f"uploads/{n * 7 % 3000}", b"%d" % n) for n in range(3000)]
    snapshot_id = await _snapshot(pool, store, entries)
    assert await pool.fetchval("SELECT count(*) FROM runs") == 1
    assert await _members(pool, store, snapshot_id) == _expected(entries)


async def test_directories_of_a_file_that_is_left_out_stay(pool: Pool, store: FilesystemStore) -> None:
    entries: list[Entry] = [
        ("blob", "before", b"1"), ("directory", "d", b""), ("left out", "d/f", bytes(290_000)),
        ("blob", "after", b"2"),
    ]  # fmt: skip
    snapshot_id = await _snapshot(pool, store, entries)
    assert await _members(pool, store, snapshot_id) == _expected(entries)


async def test_an_entry_that_replaces_another_leaves_the_rest_of_the_body(
    pool: Pool, store: FilesystemStore
) -> None:
    base_entries = [*_random_entries(1), *[("relation", "r", b"{}\n" * 1000)], *_random_entries(2)]
    base_entries = [(kind, f"{at}/{name}", data) for at, (kind, name, data) in enumerate(base_entries)]
    [named] = [name for kind, name, _ in base_entries if name.endswith("/r")]
    base = await _snapshot(pool, store, base_entries)
    async with _written(pool, store) as writer:
        await appending.copy_rows(pool, base=base, snapshot_id=writer.snapshot_id, but=[named])
        await writer.share_body(base, but=[named])
        await _write(writer, "relation", named, b"[]\n")
    kept = [(name, data) for name, data in _expected(base_entries) if name != named]
    assert await _members(pool, store, writer.snapshot_id) == [*kept, (named, b"[]\n")]
    assert (await _body(pool, writer.snapshot_id)).entries == len(kept) + 1


async def test_a_body_of_another_layout_is_not_shared(pool: Pool, store: FilesystemStore) -> None:
    base = await _snapshot(pool, store, [("blob", "a", b"1")])
    await pool.execute("UPDATE snapshots SET layout = 0")
    async with _written(pool, store) as writer:
        await writer.share_body(base, but=["r"])
        await _write(writer, "relation", "r", b"{}\n")
    assert await runs.find_body(pool, writer.snapshot_id) is None


async def test_a_pack_that_is_full_is_followed_by_another(
    pool: Pool, store: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack.Pack.__init__, "__kwdefaults__", {"longest": 10_000})
    entries: list[Entry] = [("blob", f"{n}", Random(n).randbytes(4000)) for n in range(10)]  # noqa: S311
    snapshot_id = await _snapshot(pool, store, entries)
    assert len([info async for info in store.list("packs/")]) == 4
    assert await pool.fetchval("SELECT count(*) FROM objects WHERE state = 'stored'") == 4
    assert await _members(pool, store, snapshot_id) == _expected(entries)


async def test_a_pack_that_only_a_run_names_is_kept(pool: Pool, store: FilesystemStore) -> None:
    await _snapshot(pool, store, [("directory", "d", b""), ("blob", "d/empty", b"")])
    assert await pool.fetchval("SELECT count(*) FROM entries WHERE object_id IS NOT NULL") == 0
    await pool.execute("UPDATE objects SET touched_at = now() - interval '1 day'")
    for _ in range(2):
        await Collector(pool, store, grace=timedelta(0)).collect_objects()
    assert len([info async for info in store.list("packs/")]) == 1
