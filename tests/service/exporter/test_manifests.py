from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest

from services.exporter import planner
from shared.exports import archives
from shared.manifest.reader import ManifestReader
from shared.snapshots import contents
from tests.support.described_contents import content_of, digest_of, manifest_of
from tests.support.projects import MINIMAL, Dock, Files, archive, files, ndjson, project
from tests.support.samples.table import SAMPLES, further
from tests.support.samples.table import archive as sample

IMPORTED = [*(sample(name) for name in SAMPLES if not SAMPLES[name].error), *further()]
NAMES = (
    "uploads/a-b", "uploads/a.b", "uploads/a/b", "uploads/\u00e4", "uploads/\U0001f600", "uploads/\ufb01",
    'uploads/"\\\u2028', "GITLAB_VERSION", "tree/x.ndjson",
)  # fmt: skip
SIZES = (0, 1, 511, 512, 1024, 1025, 300_000)
RECORDS = (*(b'{"title":"%d"}' % n for n in range(9)), b"null", b"[]")


def _random_files(random: Random) -> Files:
    blobs = [(name, random.randbytes(random.choice(SIZES))) for name in NAMES]
    relations = [
        (f"tree/project/{name}.ndjson", ndjson(*random.choices(RECORDS, k=random.randint(0, 20))))
        for name in ("issues", "labels", "milestones")
    ]
    found = [*blobs, *relations]
    return random.sample(found, k=random.randint(0, len(found)))


async def _imported(dock: Dock, packed: bytes, *, path: str) -> str:
    """The digest of what a new project has after an import."""
    number = await dock.add_project(path)
    assert (await dock.run_import(packed, project_id=number)).error is None
    return await _content(dock, number)


async def _content(dock: Dock, project_id: int = 1) -> str:
    digest: str = await dock.pool.fetchval(
        """SELECT encode(s.content_sha256, 'hex')
           FROM projects p JOIN snapshots s ON s.id = p.snapshot_id WHERE p.id = $1""",
        project_id,
    )
    return digest


async def _known(dock: Dock) -> str | None:
    """The digest of the newest archive's manifest, as its row has it."""
    known: str | None = await dock.pool.fetchval(
        "SELECT encode(manifest_sha256, 'hex') FROM archives ORDER BY job_id DESC LIMIT 1"
    )
    return known


async def _manifest(dock: Dock) -> str:
    """The manifest of the newest archive."""
    job_id = await dock.pool.fetchval("SELECT max(job_id) FROM archives")
    found = await archives.find_by_job(dock.pool, job_id)
    assert found is not None
    assert found.documents is not None
    pieces = contents.read_manifest(dock.pool, found.snapshot_id, found.documents)
    return b"".join([piece async for piece in pieces]).decode()


@pytest.mark.parametrize("seed", range(10))
async def test_the_order_of_an_archive_changes_nothing(dock: Dock, seed: int) -> None:
    random = Random(seed)  # noqa: S311  # the same every time
    entries = [*MINIMAL, *_random_files(random)]
    assert (await dock.run_import(archive(entries))).error is None
    exported = await dock.run_export()
    manifest = await _manifest(dock)
    assert manifest == manifest_of(exported)
    assert await _known(dock) == digest_of(manifest)
    random.shuffle(entries)
    assert await _imported(dock, archive(entries), path="shuffled") == await _content(dock)
    await dock.run_export(project_id=2)
    assert await _manifest(dock) == manifest
    entries.append(("uploads/another", b"1"))
    assert await _imported(dock, archive(entries), path="other") != await _content(dock)


@pytest.mark.parametrize("path", IMPORTED, ids=lambda path: path.name)
async def test_the_manifest_of_an_archive_names_all_that_is_in_it(path: Path, dock: Dock) -> None:
    if (await dock.run_import(await asyncio.to_thread(path.read_bytes))).error:
        return
    exported = await dock.run_export()
    manifest = await _manifest(dock)
    assert manifest == manifest_of(exported)
    assert await _known(dock) == digest_of(manifest)
    assert await _content(dock) == digest_of(content_of(exported))


@pytest.mark.parametrize("at_once", [1, 2, 3, 4, 5, 6, 7, 8])
async def test_each_file_is_in_the_manifest_once_wherever_a_statement_ends(
    dock: Dock, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "READ_AT_ONCE", at_once)
    names = ("A", "GITLAB_VERSION", "a", "tree/project.a", "tree/project.k", "uploads/a", "uploads/b")
    await dock.run_import(project(*((name, b"1") for name in names)))
    exported = await dock.run_export()
    assert await _manifest(dock) == manifest_of(exported)


async def test_a_manifest_has_pieces_of_a_thousand_files(dock: Dock) -> None:
    await dock.run_import(project(*((f"uploads/{n * 7 % 2500}", b"%d" % n) for n in range(2500))))
    exported = await dock.run_export()
    assert await _manifest(dock) == manifest_of(exported)
    snapshot_id = await dock.pool.fetchval("SELECT snapshot_id FROM archives")
    pieces = [piece async for piece in contents.read_manifest(dock.pool, snapshot_id)]
    assert max(piece.count(b'"name"') for piece in pieces) == 1000
    reader = ManifestReader(most=3000)
    reader.feed(manifest_of(exported).encode())
    reader.close()
    assert reader.files.keys() == {name for name in files(exported) if not name.endswith("/")}


async def test_what_an_export_changes_is_in_its_manifest_and_not_in_the_content(dock: Dock) -> None:
    await dock.run_import(project(("a", b"1")))
    before = await dock.run_export(), await _known(dock), await _manifest(dock)
    after = await dock.run_export(description="another"), await _known(dock), await _manifest(dock)
    assert (before[2], after[2]) == (manifest_of(before[0]), manifest_of(after[0]))
    assert before[1] != after[1]
    assert content_of(before[0]) == content_of(after[0])
    events = await dock.pool.fetch("SELECT data FROM events WHERE name = 'export.finished'")
    assert {event["data"]["content_sha256"] for event in events} == {await _content(dock)}


async def test_a_relation_that_is_imported_is_in_the_content(dock: Dock) -> None:
    await dock.run_import(project(("a", b"1")))
    before = await _content(dock)
    assert (await dock.run_relation(project(issues=b'{"iid":1,"title":"a"}\n'))).error is None
    assert await _content(dock) == digest_of(content_of(await dock.run_export())) != before


async def test_a_project_without_content_has_a_manifest(dock: Dock) -> None:
    exported = await dock.run_export()
    manifest = await _manifest(dock)
    assert [name for name in files(exported) if f'"name":"{name}"' in manifest] == [
        "VERSION", "lfs-objects.json", "tree/project.json"
    ]  # fmt: skip
    assert manifest == manifest_of(exported)
    assert await _known(dock) == digest_of(manifest)


@pytest.mark.parametrize(("most", "is_made"), [(4, True), (3, False)])
async def test_an_export_makes_the_digest_where_one_statement_reads_all_files(
    dock: Dock, monkeypatch: pytest.MonkeyPatch, most: int, *, is_made: bool
) -> None:
    monkeypatch.setattr(planner, "READ_AT_ONCE", most)
    await dock.run_import(archive([*MINIMAL, ("a", b"1"), ("b", b"2")]))
    assert await dock.pool.fetchval("SELECT entries FROM snapshots") == 4
    await dock.run_export()
    assert await _known(dock) == (digest_of(await _manifest(dock)) if is_made else None)


async def test_a_long_head_is_in_the_manifest(dock: Dock) -> None:
    await dock.run_import(
        archive([("VERSION", b"0.2.4"), ("tree/project.json", b'{"x":"%s"}' % (b"y" * 600_000))])
    )
    exported = await dock.run_export(description="d")
    assert (
        await dock.pool.fetchval("SELECT object_id FROM archives") is not None or len(exported) < 256 * 1024
    )
    assert await _manifest(dock) == manifest_of(exported)


async def test_events_tell_the_digests_of_content_and_manifest(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await dock.run_import(project(("a", b"1")))
    await dock.run_export()
    rows = await dock.pool.fetch("SELECT name, data FROM events ORDER BY id")
    told = {row["name"]: row["data"] for row in rows}
    content = await _content(dock)
    assert {name: data["content_sha256"] for name, data in told.items()} == {
        "import.queued": None, "import.started": None, "import.finished": content,
        "export.queued": None, "export.started": None, "export.finished": content,
    }  # fmt: skip
    assert told["export.finished"]["archive"]["manifest_sha256"] == await _known(dock)
    await dock.pool.execute("UPDATE snapshots SET content_sha256 = NULL")  # requests write none
    monkeypatch.setattr(planner, "READ_AT_ONCE", 0)
    await dock.run_export()
    newest = await dock.pool.fetchval(
        "SELECT data FROM events WHERE name = 'export.finished' ORDER BY id DESC LIMIT 1"
    )
    assert newest["content_sha256"] is None
    assert "manifest_sha256" not in newest["archive"]
