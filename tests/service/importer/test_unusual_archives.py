"""Archives that are a little unusual: what is odd in them costs a file or nothing, and is told."""

from __future__ import annotations

import gzip

import pytest

from shared.jobs.failed_relations import FailedRelation
from tests.support.archives import file, packed
from tests.support.projects import MINIMAL, VERSION, Dock, Imported, archive, bundle, files, project

BLOCKS = b"".join(file(name, data) for name, data in MINIMAL)


def told(failure: FailedRelation) -> tuple[str, int | None, str]:
    return (failure.relation, failure.line_number, failure.exception_message)


async def restored(dock: Dock, *parts: bytes) -> tuple[Imported, dict[str, bytes]]:
    """A project with more blocks, imported; and the files that come out, but VERSION and project.json."""
    imported = await dock.run_import(packed(BLOCKS, *parts))
    assert imported.error is None
    out = files(await dock.run_export())
    return imported, {name: data for name, data in out.items() if not name.endswith("/")}


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
