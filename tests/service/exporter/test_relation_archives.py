"""Archives of single relations: read in the order of storage, described once, kept while they are read."""

from __future__ import annotations

import tarfile
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from datetime import timedelta
from io import BytesIO
from random import Random

import pytest
from asyncpg.connection import LoggedQuery

from shared.assembly import layout
from shared.assembly.blocks import make_block_reader
from shared.exports import relation_exports
from shared.exports.downloads import FileDownload
from shared.gitlab.portable_relations import PORTABLE_RELATIONS
from shared.metrics.blocks import BlockMetrics
from shared.snapshots import reading, stored_order
from shared.snapshots.errors import SnapshotGone
from shared.usecases import relation_files
from shared.usecases.errors import RelationExportMissing
from shared.usecases.exports import Wanted
from shared.usecases.relation_files import RelationFiles, RelationRequest
from tests.support.counting import CountingStore
from tests.support.projects import MINIMAL, Dock, archive, files

RANDOM = Random(7)  # noqa: S311  # the same every time
SMALL = [(f"uploads/{n * 7 % 3000:05}/f", b"%d" % n * (1 + n % 9)) for n in range(3000)]
MIXED = [
    ("uploads/a/", b""), ("uploads/c", b"last by name, first in the pack"), ("uploads/large", bytes(5000)),
    ("uploads/b", b"b"), ("uploads/empty", b""), ("uploads/a/1", b"a"), ("avatar/me", b"me"),
]  # fmt: skip


async def _export(dock: Dock) -> None:
    async with dock.pool.acquire() as db, db.transaction():
        await relation_exports.keep_newest(
            db, project_id=1, user_id=1, batched=False, retention=timedelta(hours=1)
        )


@asynccontextmanager
async def _opened(dock: Dock, wanted: Wanted = Wanted.WHOLE) -> AsyncIterator[FileDownload]:
    """The archive of uploads of the newest export."""
    export = await relation_exports.find(dock.pool, project_id=1, user_id=1)
    assert export
    blocks = make_block_reader(dock.pool, dock.store, BlockMetrics())
    request = RelationRequest(PORTABLE_RELATIONS["uploads"], None)
    async with RelationFiles(dock.pool, dock.store, blocks).download(export, request, wanted=wanted) as file:
        yield file


async def _described(dock: Dock) -> FileDownload:
    async with _opened(dock, Wanted.DESCRIPTION) as file:
        return file


async def _read(file: FileDownload, start: int = 0, length: int | None = None) -> bytes:
    pieces = file.read(start, file.size - start if length is None else length)
    return b"".join([piece async for piece in pieces])


async def _whole(dock: Dock) -> bytes:
    async with _opened(dock) as file:
        return await _read(file)


@contextmanager
def _statements(dock: Dock) -> Iterator[list[str]]:
    found: list[str] = []

    def note(query: LoggedQuery) -> None:
        found.append(query.query)

    holders = [holder._con for holder in dock.pool._holders if holder._con]  # type: ignore[attr-defined]  # all of it
    for connection in holders:
        connection.add_query_logger(note)
    yield found
    for connection in holders:
        connection.remove_query_logger(note)


def _names(packed: bytes) -> list[str]:
    with tarfile.open(fileobj=BytesIO(packed), mode="r:gz") as tar:
        return [member.name.removeprefix("./") for member in tar]


async def test_files_come_in_the_order_in_which_they_are_stored(dock: Dock) -> None:
    await dock.run_import(archive([*MIXED, *MINIMAL]))
    await _export(dock)
    whole = await _whole(dock)
    assert _names(whole) == [".", "a", "empty", "large", "c", "b", "a/1", "avatar/me"]
    inside = {name.removeprefix("uploads/"): data for name, data in MIXED}
    assert files(whole) == inside | {"./": b""}


async def test_packed_files_in_any_order_are_few_requests_that_go_forward(
    dock: Dock, store: CountingStore
) -> None:
    await dock.run_import(archive([*SMALL, *MINIMAL]))
    await _export(dock)
    store.reads.clear()
    assert len(_names(await _whole(dock))) == len(SMALL) + 1
    assert len(store.reads) <= 4  # one for each MiB of headers
    assert [start for _, start, _ in store.reads] == sorted(start for _, start, _ in store.reads)


async def test_packs_are_read_one_after_another(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.snapshots.pack.Pack.__init__.__kwdefaults__", {"longest": 300})
    monkeypatch.setattr(stored_order, "_PAGE", 3)
    await dock.run_import(archive([*SMALL[:50], *MINIMAL]))
    await _export(dock)
    assert len(dock.stored("packs/")) > 3
    assert files(await _whole(dock)) == {name.removeprefix("uploads/"): data for name, data in SMALL[:50]} | {
        "./": b""
    }


async def test_an_archive_is_laid_out_once_to_be_described(dock: Dock) -> None:
    await dock.run_import(archive([*SMALL, *MINIMAL]))
    await _export(dock)
    first = await _described(dock)
    with _statements(dock) as statements:
        again = await _described(dock)
    assert (again.size, again.etag) == (first.size, first.etag)
    assert not [statement for statement in statements if "entries" in statement]
    assert len(await _whole(dock)) == first.size


async def test_what_another_layout_knew_is_found_out_anew(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await dock.run_import(archive([*MIXED, *MINIMAL]))
    await _export(dock)
    first = await _described(dock)
    wrong = "UPDATE relation_exports SET archives = jsonb_set(archives, '{uploads,size}', '1')"
    await dock.pool.execute(wrong)
    assert (await _described(dock)).size == 1
    monkeypatch.setattr(relation_files, "LAYOUT", layout.LAYOUT + 1)
    other = await _described(dock)
    assert other.size == first.size
    assert other.etag != first.etag


async def test_what_is_known_is_not_kept_with_a_newer_export(dock: Dock) -> None:
    await dock.run_import(archive([*MIXED, *MINIMAL]))
    await _export(dock)
    earlier = await relation_exports.find(dock.pool, project_id=1, user_id=1)
    first = await _described(dock)
    known = await relation_exports.find(dock.pool, project_id=1, user_id=1)
    assert earlier
    assert known
    await dock.run_import(archive([*MIXED[:2], *MINIMAL]))
    await _export(dock)
    await relation_exports.keep_facts(dock.pool, earlier, "uploads", known.archives["uploads"])
    assert (await _described(dock)).size < first.size


async def test_any_part_is_the_slice_of_the_whole(dock: Dock) -> None:
    await dock.run_import(archive([*MIXED, ("uploads/random", RANDOM.randbytes(300_000)), *MINIMAL]))
    await _export(dock)
    whole = await _whole(dock)
    async with _opened(dock, Wanted.PART) as file:
        assert file.size == len(whole)
        for _ in range(40):
            start = RANDOM.randrange(file.size)
            length = min(RANDOM.choice([1, 600, 70_000]), file.size - start)
            assert await _read(file, start, length) == whole[start : start + length]


@pytest.mark.parametrize("end", ["overwritten", "deleted"])
async def test_a_download_in_progress_outlives_its_project(dock: Dock, end: str) -> None:
    await dock.run_import(archive([*SMALL, *MINIMAL]))
    await _export(dock)
    expected = await _whole(dock)
    async with _opened(dock) as file, aclosing(file.read(0, file.size)) as pieces:
        found = [await anext(pieces)]
        if end == "deleted":
            await dock.pool.execute("DELETE FROM projects")
        else:
            await dock.pool.execute("UPDATE relation_exports SET expires_at = now()")
            await dock.run_import(archive(MINIMAL))
        await dock.collect()
        found += [piece async for piece in pieces]
    assert b"".join(found) == expected


async def test_a_snapshot_that_is_gone_is_told(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    await dock.run_import(archive([*SMALL, *MINIMAL]))
    await _export(dock)
    export = await relation_exports.find(dock.pool, project_id=1, user_id=1)
    assert export
    await _described(dock)
    monkeypatch.setattr(reading, "KEPT", timedelta(0))
    async with _opened(dock) as file, aclosing(file.read(0, file.size)) as pieces:
        await anext(pieces)
        await dock.pool.execute("DELETE FROM projects")
        await dock.collect()
        with pytest.raises(SnapshotGone):
            _ = [piece async for piece in pieces]
    files_of = RelationFiles(dock.pool, dock.store, make_block_reader(dock.pool, dock.store, BlockMetrics()))
    request = RelationRequest(PORTABLE_RELATIONS["uploads"], None)
    with pytest.raises(RelationExportMissing):
        async with files_of.download(export, request, wanted=Wanted.DESCRIPTION):
            pass
