"""Archives that are a little unusual: what is odd in them costs a file or nothing, and is told."""

from __future__ import annotations

import gzip

import pytest

from tests.support.projects import VERSION, Dock, archive, project


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
