from __future__ import annotations

import asyncio
import hashlib
import os
from types import SimpleNamespace

import pytest

from shared.database.pool import Database
from shared.jobs.progress import Progress
from shared.ledger import objects
from shared.restore import intake
from shared.snapshots import sinks
from shared.storage.base import ObjectWriter
from tests.support.archives import file
from tests.support.archives import packed as packed_blocks
from tests.support.jobs import claimed
from tests.support.projects import PROJECT, VERSION, Dock, archive, bundle, files, ndjson, project

LARGE = os.urandom(5000)
SMALL = b"small"


def _lfs(data: bytes, oid: str | None = None) -> tuple[str, bytes]:
    return (f"lfs-objects/{oid or hashlib.sha256(data).hexdigest()}", data)


def _index(*objects: tuple[str, bytes]) -> tuple[str, bytes]:
    named = ",".join(f'"{name.rpartition("/")[2]}":[0]' for name, _ in objects)
    return ("lfs-objects.json", f"{{{named}}}".encode())


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["packed", "own object"])
async def test_an_lfs_object_with_another_digest_is_left_out_without_a_trace(dock: Dock, data: bytes) -> None:
    good, bad = _lfs(data + b"1"), _lfs(data, "f" * 64)
    other = _lfs(data, "e" * 64)
    index = _index(good, bad, other)
    packed = project(bad, other, good, ("uploads/after", b"x"), index)
    imported = await dock.run_import(packed)
    failure, _ = await dock.failures(imported)
    assert (imported.error, failure.relation, failure.line_number) == (None, "lfs_objects", None)
    assert failure.source == "LfsRestorer#restore"
    assert failure.exception_message.startswith(f"LFS object {'f' * 64} has the SHA-256 ")
    assert len(dock.stored("blobs/")) == (1 if data is LARGE else 0)  # before any collection
    assert asyncio.all_tasks() == {asyncio.current_task()}  # none keeps an upload that was given up
    out = files(await dock.run_export())
    assert {name: data for name, data in out.items() if "lfs" in name} == {
        index[0]: index[1], good[0]: good[1],
    }  # fmt: skip
    assert out["uploads/after"] == b"x"


class _Written:
    """Counts the bytes that go into objects whose keys begin with ``prefix``, and the writes."""

    def __init__(self, dock: Dock, monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
        self.bytes = self.objects = self.writes = 0
        create = dock.store.create

        def counting(key: str) -> ObjectWriter:
            writer = create(key)
            if key.startswith(prefix):
                self.objects += 1
                write = writer.write

                async def counted(data: bytes | bytearray | memoryview) -> None:
                    self.bytes += len(data)
                    self.writes += 1
                    await write(data)

                monkeypatch.setattr(writer, "write", counted)
            return writer

        monkeypatch.setattr(dock.store, "create", counting)


async def test_an_lfs_object_that_is_stored_is_verified_and_not_put_again(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = project(_lfs(LARGE), ("uploads/large", LARGE[::-1]))
    assert (await dock.run_import(packed)).error is None
    blobs = _Written(dock, monkeypatch, "blobs/")
    out = await dock.round_trip(packed)
    assert out[_lfs(LARGE)[0]] == LARGE
    assert len(LARGE) < blobs.bytes < 2 * len(LARGE)  # the upload, whose digest is known at its end
    assert (blobs.objects, len(dock.stored("blobs/"))) == (1, 2)


async def test_bytes_that_are_not_what_their_name_says_do_not_pass_for_a_stored_object(dock: Dock) -> None:
    name, data = _lfs(LARGE)
    await dock.run_import(project((name, data)))
    imported = await dock.run_import(project((name, LARGE[::-1])))
    (failure,) = await dock.failures(imported)
    assert "has the SHA-256" in failure.exception_message
    assert name not in files(await dock.run_export())


async def test_a_stored_object_that_is_collected_while_its_bytes_come_is_put_by_the_next_attempt(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = project(_lfs(LARGE))
    await dock.run_import(packed)

    async def collected(db: Database, sha256: bytes) -> objects.StoredBlob | None:
        monkeypatch.undo()
        found = await objects.find_blob(db, sha256)
        await dock.pool.execute("DELETE FROM entries; DELETE FROM runs")
        await dock.pool.execute("DELETE FROM objects WHERE kind = 'blob'")
        return found

    monkeypatch.setattr(objects, "find_blob", collected)
    job = await dock.order_import(packed)
    with pytest.raises(objects.BlobVanished):
        await dock.importer.run(job, await claimed(dock.pool, job), Progress())
    assert (await dock.run_import(packed)).error is None


async def test_each_byte_of_a_file_is_hashed_once(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = 0

    class Counting:
        def __init__(self) -> None:
            self._digest = hashlib.sha256()

        def update(self, data: bytes) -> None:
            nonlocal hashed
            hashed += len(data)
            self._digest.update(data)

        def digest(self) -> bytes:
            return self._digest.digest()

    for module in (intake, sinks):
        monkeypatch.setattr(module, "hashlib", SimpleNamespace(sha256=Counting))
    more = [_lfs(LARGE), ("uploads/a", LARGE), ("uploads/b", SMALL)]
    lines = b'{"title":"t"}\n' * 5
    assert (await dock.run_import(project(*more, issues=lines))).error is None
    small = sum(len(data) for _, data in (VERSION, PROJECT))
    assert hashed == 2 * len(LARGE) + len(SMALL) + len(lines) + small


@pytest.mark.parametrize("document", [b"{", b'{"a":[7]}', b"[]", b'{"\xff":[0]}', b"x" * 60_000])
async def test_a_bad_index_of_lfs_objects_is_left_out_and_named(dock: Dock, document: bytes) -> None:
    packed = project(("lfs-objects.json", document), _lfs(SMALL))
    imported = await dock.run_import(packed)
    (failure,) = await dock.failures(imported)
    assert (failure.relation, failure.source) == ("lfs_objects", "LfsRestorer#restore")
    assert "lfs-objects.json" in failure.exception_message
    assert {name for name in await dock.round_trip(packed) if "lfs" in name} == {_lfs(SMALL)[0]}


@pytest.mark.parametrize("data", [b"bad", b"bad" * 1000], ids=["packed", "own object"])
async def test_a_bad_bundle_of_a_snippet_is_left_out_and_named(dock: Dock, data: bytes) -> None:
    packed = project(("snippets/0.bundle", data), ("snippets/1.bundle", bundle()))
    imported = await dock.run_import(packed)
    (failure,) = await dock.failures(imported)
    assert (failure.relation, failure.source) == ("snippets", "SnippetRepoRestorer#restore")
    assert "Invalid bundle file (snippets/0.bundle: " in failure.exception_message
    out = await dock.round_trip(packed)
    assert {name: data for name, data in out.items() if "snip" in name} == {"snippets/1.bundle": bundle()}


async def test_a_large_blob_is_kept_once_whoever_brings_it(dock: Dock) -> None:
    await dock.run_import(project(("a", LARGE), ("b", LARGE), ("c", LARGE[:-1])))
    await dock.run_import(project(("d", LARGE)), project_id=await dock.add_project("q"))
    assert len(dock.stored("blobs/")) == 2


async def test_small_files_are_written_many_at_a_time(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    packs = _Written(dock, monkeypatch, "packs/")
    many = [(f"uploads/{number}", os.urandom(1000)) for number in range(500)]
    assert (await dock.run_import(project(*many))).error is None
    assert packs.bytes > 500_000
    assert packs.writes <= packs.bytes // (64 * 1024) + 1
    out = files(await dock.run_export())
    assert all(out[name] == data for name, data in many)


async def test_a_directory_that_is_named_again_is_the_same_directory(dock: Dock) -> None:
    packed = archive(
        [
            ("uploads/", b""),
            VERSION,
            ("uploads/", b""),
            PROJECT,
            ("tree/", b""),
            ("uploads/a", b"1"),
            ("uploads/", b""),
        ]
    )
    assert [name for name in await dock.round_trip(packed) if name.endswith("/")] == [
        "./",
        "uploads/",
        "tree/",
    ]


async def test_an_archive_of_many_members_of_gzip_is_one_archive(dock: Dock) -> None:
    blocks = file("VERSION", b"0.2.4") + file("tree/project.json", b"{}")
    cut = packed_blocks(blocks[:700], end=b"") + packed_blocks(blocks[700:])
    assert (await dock.run_import(cut)).error is None


async def test_segments_of_a_relation_start_at_whole_lines(dock: Dock) -> None:
    lines = ndjson(*(b'{"n":%d,"x":"%s"}' % (n, b"y" * (n % 977)) for n in range(6000)))
    assert (await dock.run_import(project(many=lines))).error is None
    rows = await dock.pool.fetch("SELECT first_line, lines, raw_size FROM segments ORDER BY first_line")
    assert len(rows) == 3
    assert [row["first_line"] for row in rows] == [0, rows[0]["lines"], rows[0]["lines"] + rows[1]["lines"]]
    assert sum(row["raw_size"] for row in rows) == len(lines)
