"""An audit finds whatever is not as the index says, and nothing else, also while others write and collect."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.audit import auditor as auditing
from shared.audit.findings import FindingKind
from shared.ledger import objects
from shared.storage.checksums import BLOCK
from shared.storage.errors import OperationFailed
from tests.support.audits import GRACE, AuditedStore, aged, audited, kinds
from tests.support.counting import flip
from tests.support.objects import put
from tests.support.projects import Dock


def path_of(dock: Dock, kind: str) -> Path:
    """The file of the only object of a kind."""
    [key] = dock.stored(kind)
    return dock.root / key


@pytest.mark.parametrize("reads", [True, False])
async def test_a_store_that_is_as_the_index_says_has_no_finding(dock: Dock, reads: bool) -> None:  # noqa: FBT001  # parametrized
    await dock.run_export()
    assert await audited(dock, reads=reads) == []


async def test_each_byte_is_read_once_and_none_without_being_asked(dock: Dock, store: AuditedStore) -> None:
    size = sum((dock.root / key).stat().st_size for key in dock.stored())
    store.bytes_read = 0
    await audited(dock, reads=False)
    assert store.bytes_read == 0
    await audited(dock)
    assert store.bytes_read == size


@pytest.mark.parametrize("reads", [True, False])
async def test_an_object_that_is_not_there_is_found(dock: Dock, reads: bool) -> None:  # noqa: FBT001  # parametrized
    path = path_of(dock, "blobs/")
    path.unlink()
    [found] = await audited(dock, reads=reads)
    assert (found.kind, str(dock.root / found.key)) == (FindingKind.OBJECT_MISSING, str(path))


@pytest.mark.parametrize("reads", [True, False])
async def test_an_object_of_another_size_is_found(dock: Dock, reads: bool) -> None:  # noqa: FBT001  # parametrized
    with path_of(dock, "blobs/").open("ab") as file:
        file.write(b"more")
    assert "object_size" in await kinds(dock, reads=reads)


async def test_a_flipped_bit_is_found_in_its_block_and_in_its_entry(dock: Dock) -> None:
    flip(path_of(dock, "blobs/"), 2 * BLOCK - 1)
    found = {finding.kind.value: finding for finding in await audited(dock)}
    assert found.keys() == {"object_block", "entry"}
    assert found["object_block"].reason == "its block 1 has another CRC-32"
    assert found["entry"].name == "uploads/1/large"


async def test_a_flipped_bit_is_found_in_an_object_without_checksums(dock: Dock) -> None:
    await dock.pool.execute("UPDATE objects SET crc32s = NULL")
    flip(path_of(dock, "blobs/"), 1000)
    assert await kinds(dock) == {"entry"}


async def test_an_upload_with_another_digest_is_found(dock: Dock) -> None:
    await dock.pool.execute("UPDATE objects SET sha256 = $1 WHERE kind = 'upload'", bytes(32))
    assert await kinds(dock) == {"object_digest"}


async def test_what_is_found_of_one_object_is_bounded(dock: Dock) -> None:
    await dock.pool.execute("UPDATE objects SET sha256 = $1, crc32s = NULL WHERE kind = 'pack'", bytes(32))
    await dock.pool.execute(
        """INSERT INTO entries (snapshot_id, name, kind, mtime, object_id, position, stored_size, raw_size,
                                sha256)
           SELECT e.snapshot_id, 'uploads/' || n, 'blob', 1, object_id, 0, 1, n, sha256 FROM entries e,
           generate_series(1, 30) AS n WHERE name = 'uploads/1/small'"""
    )
    found = await audited(dock)
    assert len([each for each in found if each.key]) == 21
    assert found[-1].reason == "11 more findings about it"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("UPDATE entries SET crc32 = crc32 # 1 WHERE name = 'uploads/1/small'", {"entry"}),
        (
            "UPDATE entries SET sha256 = sha256('') WHERE name = 'uploads/1/small'",
            {"entry", "content_digest"},
        ),
        ("UPDATE entries SET raw_size = 4 WHERE name = 'uploads/1/small'", {"entry", "content_digest"}),
        (
            "UPDATE entries SET lines = 3 WHERE name = 'tree/project/issues.ndjson'",
            {"entry", "segments", "content_digest"},
        ),
        ("UPDATE segments SET lines = 1 WHERE name = 'tree/project/issues.ndjson'", {"entry", "segments"}),
        ("UPDATE segments SET crc32 = 1 WHERE name = 'tree/project/issues.ndjson'", {"entry"}),
        ("DELETE FROM segments WHERE name = 'tree/project/issues.ndjson'", {"segments"}),
        ("DELETE FROM entries WHERE name = 'tree/project/issues.ndjson'", {"segments", "content_digest"}),
        ("UPDATE entries SET sha256 = NULL WHERE name = 'uploads/1/small'", {"content_digest"}),
        ("UPDATE entries SET stored_size = 9000000 WHERE name = 'uploads/1/large'", {"range"}),
        ("UPDATE objects SET sha256 = sha256('') WHERE kind = 'blob'", {"blob_digest"}),
        ("UPDATE runs SET position = -1 WHERE position > 0", {"range"}),
        ("UPDATE runs SET size = size + 1 WHERE name IS NULL AND size > 0", {"body"}),
        ("UPDATE snapshots SET body_raw_size = 1", {"body"}),
        ("UPDATE snapshots SET content_sha256 = sha256('')", {"content_digest"}),
        ("UPDATE objects SET crc32s = crc32s || crc32s WHERE kind = 'pack'", {"object_checksums"}),
        ("UPDATE objects SET state = 'writing' WHERE kind = 'pack'", {"object_unstored"}),
    ],
)
async def test_an_index_that_does_not_agree_is_found(dock: Dock, change: str, expected: set[str]) -> None:
    assert await dock.pool.execute(change) not in ("UPDATE 0", "DELETE 0")
    assert await kinds(dock) >= expected
    assert await kinds(dock) - expected <= {"range"}


async def test_an_old_object_without_a_row_is_an_orphan_and_a_young_one_is_not(dock: Dock) -> None:
    await put(dock.store, "packs/00/young", b"1")
    await put(dock.store, "packs/00/old", b"1")
    await put(dock.store, "incoming/ann/archive", b"1")  # of another system
    await put(dock.store, "keys/secrets", b"1")
    for key in ("packs/00/old", "incoming/ann/archive", "keys/secrets"):
        aged(dock.root / key)
    [found] = await audited(dock, reads=False)
    assert (found.kind, found.key) == (FindingKind.ORPHAN, "packs/00/old")


async def test_an_object_that_is_being_written_is_no_finding(dock: Dock) -> None:
    named = await objects.register(dock.pool, kind="pack")
    async with dock.store.create(named.key) as writer:
        await writer.write(b"1")
        assert await audited(dock) == []
        await writer.commit()
        aged(dock.root / named.key)
        assert await audited(dock) == []


@pytest.mark.parametrize("reads", [True, False])
async def test_an_object_that_is_collected_meanwhile_is_no_finding(
    dock: Dock,
    store: AuditedStore,
    reads: bool,  # noqa: FBT001  # parametrized
) -> None:
    named = await objects.register(dock.pool, kind="upload")
    await put(store, named.key, b"1")
    await objects.record_stored(dock.pool, named.id, size=1, sha256=None)

    async def collect(key: str) -> None:
        if key == named.key:
            await objects.collect(dock.pool, store, named)

    store.before = collect
    assert await audited(dock, reads=reads) == []
    assert not (dock.root / named.key).exists()


async def test_an_orphan_that_goes_before_it_is_told_is_no_finding(dock: Dock, store: AuditedStore) -> None:
    await put(store, "packs/00/old", b"1")
    aged(dock.root / "packs/00/old")

    async def delete(key: str) -> None:
        if key == "packs/00/old":
            await store.delete([key])

    store.before = delete
    assert await audited(dock, reads=False) == []


async def test_bytes_that_are_damaged_on_their_way_once_are_no_finding(
    dock: Dock, store: AuditedStore
) -> None:
    path, flips = path_of(dock, "blobs/"), 0

    async def flip_once(key: str) -> None:
        nonlocal flips
        if str(path).endswith(key) and flips < 2:
            flips += 1
            flip(path, 5000)

    store.before = flip_once
    assert await audited(dock) == []
    assert flips == 2


async def test_an_object_that_cannot_be_read_is_found_and_a_store_that_is_away_ends_the_audit(
    dock: Dock, store: AuditedStore
) -> None:
    key = dock.stored("blobs/")[0]

    async def fail(asked: str) -> None:
        if asked == key:
            raise OperationFailed("read", asked, reason="EIO")

    store.before = fail
    [found] = await audited(dock)
    assert (found.kind, found.key) == (FindingKind.OBJECT_UNREADABLE, key)
    store.is_down = OperationFailed("check", "", reason="unreachable")
    with pytest.raises(OperationFailed, match="unreachable"):
        await audited(dock)


async def test_an_audit_goes_on_with_an_id(
    dock: Dock, store: AuditedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditing, "AT_ONCE", 1)
    last = await dock.pool.fetchrow("SELECT id, key FROM objects ORDER BY id DESC LIMIT 1")
    assert last
    auditor = auditing.Auditor(dock.pool, store, grace=GRACE)
    store.stats.clear()
    assert [each async for each in auditor.audit_objects(lambda _: False, first=last["id"])] == []
    assert (store.stats, auditor.count.following) == ([last["key"]], last["id"] + 1)
