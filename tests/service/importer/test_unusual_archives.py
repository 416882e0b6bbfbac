"""Archives that are a little unusual: what is odd in them costs a file or nothing, and is told."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from services.cli.verification import ImportWouldFail, verify
from shared.archive.limits import MIB, Limits
from shared.jobs.failed_relations import FailedRelation
from shared.snapshots import appending
from shared.snapshots.models import Entry
from tests.support.archives import entry, file, header, packed
from tests.support.contents import assert_accepted_by_gnu
from tests.support.projects import MINIMAL, VERSION, Dock, Imported, archive, bundle, files, project
from tests.support.sparse import FORMATS, expanded

SECRET = f"uploads/{'0123456789abcdef' * 2}"
BLOCKS = b"".join(file(name, data) for name, data in MINIMAL)
LARGE = os.urandom(5000)
DOUBLE = b"\0\5\26\7" + bytes(80)
ISSUE = b'{"title":"t","iid":%d}\n'


def told(failure: FailedRelation) -> tuple[str, int | None, str]:
    return (failure.relation, failure.line_number, failure.exception_message)


async def progress(dock: Dock, imported: Imported) -> Any:
    """What the row of the job has of it."""
    return await dock.pool.fetchval("SELECT progress FROM jobs WHERE id = $1", imported.job.id)


async def restored(dock: Dock, *parts: bytes) -> tuple[Imported, dict[str, bytes]]:
    """A project with more blocks, imported; and the files that come out, but VERSION and project.json."""
    imported = await dock.run_import(packed(BLOCKS, *parts))
    assert imported.error is None
    out = files(await dock.run_export())
    return imported, {name: data for name, data in out.items() if not name.endswith("/")}


async def verified_strictly(path: Path, data: bytes) -> Any:
    await asyncio.to_thread(path.write_bytes, data)
    try:
        return await verify(path, limits=Limits(), strict=True)
    except ImportWouldFail as error:
        return error


async def test_an_archive_whose_root_is_a_slash_is_imported(dock: Dock) -> None:
    named = [entry(f"/{name}".encode(), data) for name, data in [*MINIMAL, (f"{SECRET}/a", b"1")]]
    imported = await dock.run_import(packed(header(b"/", kind=b"5"), header(b"/tree/", kind=b"5"), *named))
    assert imported.error is None
    assert files(await dock.run_export())[f"{SECRET}/a"] == b"1"


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("size", [600, 600_000], ids=["packed", "own object"])
async def test_an_lfs_object_that_is_stored_sparse_has_its_own_bytes(
    dock: Dock, form: str, size: int
) -> None:
    stretches = [(0, b"begin"), (size - 90, b"end")]
    data = expanded(stretches, size)
    name = f"lfs-objects/{hashlib.sha256(data).hexdigest()}"
    imported, out = await restored(dock, FORMATS[form](name.encode(), stretches, size))
    assert await dock.failures(imported) == []
    assert out[name] == data


async def test_a_sparse_file_that_claims_more_than_an_archive_may_have_is_refused(dock: Dock) -> None:
    dock.limits = Limits(decompressed=MIB)
    imported = await dock.run_import(packed(BLOCKS, FORMATS["old"](b"uploads/z", [], 2**63 - 1)))
    assert "over the limit of 1048576 bytes, reached in or after 'uploads/z'" in (imported.error or "")


@pytest.mark.parametrize("first", [b"first", LARGE], ids=["packed", "own object"])
@pytest.mark.parametrize("last", [b"last", LARGE[::-1]], ids=["packed", "own object"])
async def test_of_two_files_with_one_name_the_last_counts(dock: Dock, first: bytes, last: bytes) -> None:
    parts = [file("uploads/a", first), file("uploads/b", b"between"), file("uploads/a", last)]
    imported, out = await restored(dock, *parts)
    assert {name: data for name, data in out.items() if "uploads" in name} == {
        "uploads/a": last, "uploads/b": b"between",
    }  # fmt: skip
    assert (await progress(dock, imported))["notes"] == {"repeated_names": 1}
    rows = await dock.pool.fetch("SELECT raw_size FROM entries WHERE name = 'uploads/a'")
    assert [row["raw_size"] for row in rows] == [len(last)]
    await dock.collect()
    assert len(dock.stored("blobs/")) == (last is not b"last")  # noqa: F632  # which of the two


async def test_a_document_that_comes_again_is_that_of_the_project(dock: Dock, tmp_path: Path) -> None:
    again = [file("tree/project.json", b'{"description":"last"}'), file("VERSION", b"0.2.4\n")]
    _, out = await restored(dock, *again)
    assert out["tree/project.json"] == b'{"description":"last"}'
    assert await dock.pool.fetchval("SELECT description FROM projects WHERE id = 1") == "last"
    exported = tmp_path / "out.tar.gz"
    await asyncio.to_thread(exported.write_bytes, await dock.run_export())  # now its body is laid out
    assert_accepted_by_gnu(exported)


async def test_a_relation_that_comes_again_counts_alone_with_its_failures(dock: Dock) -> None:
    name, lines = "tree/project/issues.ndjson", ISSUE % 1 + b"[]\n" + ISSUE % 2
    last = b"[]\n[]\n" + ISSUE % 3
    others = file("tree/project/labels.ndjson", b"[]\n")
    imported, out = await restored(dock, file(name, lines), others, file(name, last))
    assert out[name] == ISSUE % 3
    assert [each[:2] for each in map(told, await dock.failures(imported))] == [
        ("labels", 0), ("issues", 0), ("issues", 1),
    ]  # fmt: skip
    assert (await progress(dock, imported))["relations"]["issues"] == {
        "bytes": len(last),
        "lines": 1,
        "failed": 2,
    }
    assert await dock.pool.fetchval("SELECT sum(lines) FROM segments WHERE name = $1", name) == 1


async def test_failures_that_are_written_already_are_withdrawn_too(dock: Dock) -> None:
    name = "tree/project/issues.ndjson"
    imported, _ = await restored(dock, file(name, b"[]\n" * 1200), file(name, ISSUE % 1))
    assert await dock.failures(imported) == []


async def test_files_that_come_again_are_withdrawn_many_at_a_time(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[int, int]] = []
    append = appending.append_for_job

    async def spying(*args: Any, entries: Sequence[Entry], withdrawn: Sequence[str], **more: Any) -> None:
        written.append((len(entries), len(withdrawn)))
        await append(*args, entries=entries, withdrawn=withdrawn, **more)

    monkeypatch.setattr(appending, "append_for_job", spying)
    names = [f"uploads/{number}" for number in range(1100)]
    _, out = await restored(
        dock, *(file(name, b"1") for name in names), *(file(name, b"2") for name in names)
    )
    assert {out[name] for name in names} == {b"2"}
    assert len(written) <= 6
    assert sum(names for _, names in written) == 1100


async def test_the_import_of_one_relation_refuses_one_that_comes_twice(dock: Dock) -> None:
    await dock.run_import(project(issues=ISSUE % 1))
    name = "tree/project/issues.ndjson"
    refused = await dock.run_relation(archive([*MINIMAL, (name, ISSUE % 2), (name, ISSUE % 3)]))
    assert refused.error == f"'{name}': the name occurs twice: its records are merged as they come"
    assert (
        await dock.run_relation(archive([*MINIMAL, ("a", b""), (name, ISSUE % 2), ("a", b"")]))
    ).error is None
    assert files(await dock.run_export())[name] == ISSUE % 1 + ISSUE % 2


ODD = {
    "C1 control characters": (
        "\x80\x93 Ü".encode(),
        r"\x80\x93 Ü",
        "names with control characters are refused",
    ),
    "Latin-1": (b"Pr\xfcfung", r"Pr\xfcfung", "the name is not UTF-8"),
    "an escape": (b"\x1b[2J", r"\x1b[2J", "names with control characters are refused"),
    "a line feed": (b"a\nb", r"a\nb", "names with control characters are refused"),
}


@pytest.mark.parametrize("what", ODD)
async def test_an_odd_name_costs_its_file_which_is_told_by_place_and_name(
    dock: Dock, what: str, tmp_path: Path
) -> None:
    name, escaped, reason = ODD[what]
    odd = entry(f"./{SECRET}/".encode() + name, b"lost")
    parts = [file(f"{SECRET}/a", b"1"), odd, file(f"{SECRET}/b", b"2")]
    imported, out = await restored(dock, *parts)
    assert [told(each) for each in await dock.failures(imported)] == [
        ("uploads", None, f"{reason} (entry 4): './{SECRET}/{escaped}'")
    ]
    assert [each for each in out if each.startswith(SECRET)] == [f"{SECRET}/a", f"{SECRET}/b"]
    seen = await verified_strictly(tmp_path / "a.tar.gz", packed(BLOCKS, *parts))
    assert isinstance(seen, ImportWouldFail)
    assert seen.document.failure_count == 1


@pytest.mark.parametrize(
    ("name", "relation"),
    [
        (b"./lfs-objects/\xff", "lfs_objects"),
        (b"./snippets/\xff.bundle", "snippets"),
        (b"./avatar/\xff.png", "avatar"),
        (b"./tree/project/\xff.ndjson", "archive"),
        (b"\xff", "archive"),
    ],
)
async def test_a_file_with_an_odd_name_is_a_failure_of_what_it_is_in(
    dock: Dock, name: bytes, relation: str
) -> None:
    imported, _ = await restored(dock, entry(name, b"lost"))
    assert [each.relation for each in await dock.failures(imported)] == [relation]


async def test_a_long_odd_name_leaves_room_for_the_reason(dock: Dock) -> None:
    imported, _ = await restored(dock, entry(b"uploads/" + b"\xff" * 92, b"lost"))
    (failure,) = await dock.failures(imported)
    assert 200 < len(failure.exception_message) <= 255
    assert failure.exception_message.startswith("the name is not UTF-8 (entry 3): 'uploads/\\xff\\xff")


async def test_names_that_linux_cannot_unpack_are_kept_and_told(dock: Dock) -> None:
    names = [
        f"uploads/{'n' * 255}",
        f"uploads/{'n' * 256}",
        f"uploads/{'ü' * 128}/a",
        f"uploads/{'n/' * 200}a",
    ]
    imported, out = await restored(dock, *(file(name, b"1") for name in names))
    assert set(names) <= out.keys()
    assert (await progress(dock, imported))["notes"] == {"long_names": 2}


async def test_uploads_that_are_called_like_litter_are_kept_and_litter_is_counted(
    dock: Dock, tmp_path: Path
) -> None:
    kept = [(f"{SECRET}/.DS_Store", b"\0\0\0\1Bud1"), (f"{SECRET}/._report.pdf", b"%PDF-1.7"),
            (f"{SECRET}/report.pdf", b"%PDF-1.7"), ("__MACOSX/x", b"x")]  # fmt: skip
    litter = [("._VERSION", DOUBLE), ("tree/.DS_Store", b"\0\0\0\1Bud1"), ("._later", DOUBLE)]
    parts = [file(name, data) for name, data in [*litter, *kept, ("later", b"1")]]
    imported, out = await restored(dock, *parts)
    assert {**dict(MINIMAL), **dict(kept), "later": b"1"} == out
    assert (await progress(dock, imported))["notes"] == {"macos_files": 3}
    seen = await verified_strictly(tmp_path / "a.tar.gz", packed(BLOCKS, *parts))
    assert seen.notes == {"macos_files": 3}
    assert {each.name for each in seen.blobs} == out.keys()
    assert (seen.blob_count, seen.blob_bytes) == (len(out), sum(map(len, out.values())))


PREREQUISITES = bundle().replace(b"# v2 git bundle\n", b"# v2 git bundle\n-" + b"1" * 40 + b" before\n")


@pytest.mark.parametrize(
    ("name", "relation"),
    [
        ("project.bundle", "repository"),
        ("project.wiki.bundle", "wiki"),
        ("project.design.bundle", "design"),
        ("snippets/0.bundle", "snippets"),
    ],
)
async def test_a_bundle_that_nobody_can_clone_is_a_failure_of_its_repository(
    dock: Dock, name: str, relation: str
) -> None:
    imported, out = await restored(dock, file(name, PREREQUISITES), file("uploads/a", b"1"))
    (failure,) = await dock.failures(imported)
    reason = (
        "it presupposes commits that are not in it, 1 of them; "
        "make one of the whole repository by: git bundle create FILE --all"
    )
    assert told(failure) == (relation, None, f"Incomplete bundle file ({name}: {reason})")
    assert name not in out


def lfs(data: bytes) -> tuple[str, bytes]:
    return (f"lfs-objects/{hashlib.sha256(data).hexdigest()}", data)


@pytest.mark.parametrize("index_first", [True, False])
async def test_lfs_objects_that_only_the_index_or_only_the_archive_has_are_told(
    dock: Dock, *, index_first: bool, tmp_path: Path
) -> None:
    both, absent, unnamed = lfs(b"both"), lfs(b"absent"), lfs(b"unnamed")
    named = {name.rpartition("/")[2]: [0] for name, _ in (both, absent)}
    parts = [("lfs-objects.json", json.dumps(named).encode()), both, unnamed]
    data = project(*(parts if index_first else parts[::-1]))
    imported = await dock.run_import(data)
    oids = [name.rpartition("/")[2] for name, _ in (absent, unnamed)]
    assert [told(each) for each in await dock.failures(imported)] == [
        ("lfs_objects", None, f"LFS object {oids[0]} is in the index and not in the archive"),
        ("lfs_objects", None,
         f"LFS object {oids[1]} is in the archive and not in its index: exports name it"),
    ]  # fmt: skip
    assert {*dict((both, unnamed))} <= files(await dock.run_export()).keys()
    assert "would leave out 2 items" in str(await verified_strictly(tmp_path / "a.tar.gz", data))


async def test_without_an_index_lfs_objects_are_the_projects(dock: Dock) -> None:
    imported, _ = await restored(dock, file(*lfs(b"1")))
    assert await dock.failures(imported) == []


async def test_of_two_indexes_the_last_counts(dock: Dock) -> None:
    index = f'{{"{lfs(b"1")[0].rpartition("/")[2]}":[0]}}'.encode()
    parts = [("lfs-objects.json", b"{}"), lfs(b"1"), ("lfs-objects.json", index)]
    imported, _ = await restored(dock, *(file(*part) for part in parts))
    assert await dock.failures(imported) == []


async def test_white_space_behind_the_stream_is_let_pass(dock: Dock) -> None:
    assert (await dock.run_import(project() + b"\r\n")).error is None
    refused = await dock.run_import(project() + b"\r\nx")
    assert "something other than zeros and white space follows" in (refused.error or "")


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (archive([VERSION, ("tree/groups/_all.ndjson", b"1\n")]), "this is the export of a group"),
        (b"PK\3\4", "not a gzip file, but a zip file: unpack it"),
        (gzip.decompress(project()), "not a gzip file, but a tar archive that is not compressed"),
    ],
)
async def test_what_is_given_by_mistake_is_named(dock: Dock, data: bytes, named: str) -> None:
    assert named in ((await dock.run_import(data)).error or "")


async def test_a_body_that_was_begun_before_a_withdrawal_leaves_no_run(dock: Dock) -> None:
    large = [file("uploads/a", LARGE), file("uploads/c", LARGE[::-1])]
    imported = await dock.run_import(packed(BLOCKS, *large, file("uploads/b", b"1"), file("uploads/b", b"2")))
    assert imported.error is None
    assert (
        await dock.pool.fetchval("SELECT count(*) FROM runs") == 0
    )  # the second large blob has written that of the first
    out = files(await dock.run_export())
    assert (out["uploads/a"], out["uploads/b"]) == (LARGE, b"2")
