"""Archives that are a little unusual: what is odd in them costs a file or nothing, and is told."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from services.cli.verification import ImportWouldFail, verify
from shared.archive.limits import MIB, Limits
from shared.jobs.failed_relations import FailedRelation
from tests.support.archives import file, packed
from tests.support.projects import MINIMAL, VERSION, Dock, Imported, archive, bundle, files, project
from tests.support.sparse import FORMATS, expanded

BLOCKS = b"".join(file(name, data) for name, data in MINIMAL)


def told(failure: FailedRelation) -> tuple[str, int | None, str]:
    return (failure.relation, failure.line_number, failure.exception_message)


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
         f"LFS object {oids[1]} is in the archive and not in its index, so that no GitLab imports it"),
    ]  # fmt: skip
    assert {*dict((both, unnamed))} <= files(await dock.run_export()).keys()
    assert "would leave out 2 records" in str(await verified_strictly(tmp_path / "a.tar.gz", data))


async def test_without_an_index_lfs_objects_are_the_projects(dock: Dock) -> None:
    imported, _ = await restored(dock, file(*lfs(b"1")))
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
