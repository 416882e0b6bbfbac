from __future__ import annotations

import hashlib
import json
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.cli.crossdock_api import RelationCounts
from services.cli.results import MOST_LISTED, BlobSummary, VerificationResult
from services.cli.verification import ImportWouldFail, verify
from shared.archive.limits import MIB, Limits
from tests.support.command import run
from tests.support.projects import VERSION, archive, project

LIMITS = Limits()
NO_EXPORT = "(VERSION is missing): the file is no export of a GitLab project"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "one.tar.gz"


def written(file: Path, data: bytes) -> Path:
    file.write_bytes(data)
    return file


async def verified(file: Path, data: bytes, *, limits: Limits = LIMITS) -> VerificationResult:
    return await verify(written(file, data), limits=limits, strict=False)


async def test_lines_and_blobs_and_the_digest_are_told(file: Path) -> None:
    data = project(("uploads/1/a", b"four"), issues=b'{"title":"t"}\n{"title":"u"}\n')
    told = await verified(file, data)
    assert told.relations == {"issues": RelationCounts(bytes=28, lines=2, failed=0)}
    assert told.blobs == [
        BlobSummary("VERSION", 5),
        BlobSummary("tree/project.json", 2),
        BlobSummary("uploads/1/a", 4),
    ]
    assert (told.blob_count, told.blob_bytes, told.entries) == (3, 11, 4)
    assert (told.bytes, told.sha256) == (len(data), hashlib.sha256(data).hexdigest())


async def test_lines_that_an_import_leaves_out_are_listed(file: Path) -> None:
    told = await verified(file, project(issues=b'{"title":"t"}\n[]\n'))
    assert told.relations["issues"] == RelationCounts(bytes=17, lines=1, failed=1)
    assert [(each.relation_name, each.line_number) for each in told.failed_relations] == [("issues", 1)]
    assert (told.failure_count, told.error) == (1, None)


async def test_a_file_that_an_import_leaves_out_is_no_blob(file: Path) -> None:
    told = await verified(file, project((f"lfs-objects/{'0' * 64}", b"other")))
    assert told.blob_count == 2
    assert [each.relation_name for each in told.failed_relations] == ["lfs_objects"]


async def test_no_more_than_a_thousand_failures_and_blobs_are_kept(file: Path) -> None:
    uploads = [(f"uploads/1/{number}", b"x") for number in range(MOST_LISTED)]
    told = await verified(file, project(*uploads, issues=b"[]\n" * (MOST_LISTED + 1)))
    assert (len(told.blobs), told.blob_count) == (MOST_LISTED, MOST_LISTED + 2)
    assert (len(told.failed_relations), told.failure_count) == (MOST_LISTED, MOST_LISTED + 1)


async def test_failures_without_end_are_as_bad_as_in_an_import(file: Path) -> None:
    with pytest.raises(ImportWouldFail, match="over the limit of 100000 failed records"):
        await verified(file, project(issues=b"[]\n" * 100_001))


async def test_what_no_import_takes_is_refused_with_what_was_seen(file: Path) -> None:
    with pytest.raises(ImportWouldFail, match=r"would fail: Invalid file \(tree/project.json") as failed:
        await verified(file, archive([VERSION, ("tree/", b"")]))
    assert failed.value.document.blobs == [BlobSummary("VERSION", 5)]
    assert failed.value.document.sha256 is None


async def test_limits_are_those_that_are_given(file: Path) -> None:
    data = project(issues=b'{"title":"t"}\n')
    with pytest.raises(ImportWouldFail, match="limit"):
        await verified(file, data, limits=replace(LIMITS, decompressed=1024))


async def test_an_archive_is_not_held_in_memory(file: Path) -> None:
    written(file, project(("uploads/1/a", bytes(64 * MIB)), issues=b'{"title":"t"}\n' * 100_000))
    tracemalloc.start()
    await verify(file, limits=LIMITS, strict=False)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 24 * MIB


@pytest.mark.parametrize(
    ("arguments", "data", "code", "error", "error_code"),
    [
        ((), project(issues=b'{"title":"t"}\n'), 0, None, None),
        ((), project(issues=b"[]\n"), 0, None, None),
        (("--strict",), project(issues=b'{"title":"t"}\n'), 0, None, None),
        (("--strict",), project(issues=b"[]\n"), 1, "would leave out 1 item", "import_would_fail"),
        ((), archive([]), 1, NO_EXPORT, "not_a_project"),
        ((), b"no archive", 1, "would fail: not a gzip file", "archive_invalid"),
    ],
)
def test_the_exit_code_and_the_code_of_the_error_say_whether_an_import_would_do(  # a row each
    arguments: tuple[str, ...],
    data: bytes,
    code: int,
    error: str | None,
    error_code: str | None,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, "verify", str(written(file, data)), "--json", *arguments) == code
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (told["error"] or "").endswith(error or "")
    assert (told["error"] is None) == (error is None)
    assert told["error_code"] == error_code


def test_people_see_a_warning_and_the_lines(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "verify", str(written(file, project(issues=b'{"title":"t"}\n[]\n'))))
    told = capsys.readouterr()
    assert "issues  1  1" in told.out.splitlines()
    assert "2 files of 7 bytes in all" in told.out.splitlines()
    assert "VERSION" not in told.out
    assert (
        told.err.splitlines()[-1]
        == "An import would take 1 line of 1 relation and 2 files, and leave out 1 item"
    )
    assert "issues  2  TypeError" in told.err


@pytest.mark.parametrize("option", ["-v", "--verbose"])
def test_files_are_listed_where_one_asks_for_them(
    option: str, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = project(*((f"uploads/{number}/a", b"1") for number in range(MOST_LISTED)))
    run(monkeypatch, "verify", str(written(file, data)), option)
    told = capsys.readouterr().out.splitlines()
    listed = told[told.index("file  bytes") + 1 :]
    assert listed[:2] == ["VERSION  5", "tree/project.json  2"]
    assert listed[MOST_LISTED : MOST_LISTED + 2] == ["and 2 more", "1,002 files of 1,007 bytes in all"]


def test_what_is_no_file_is_wrong_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "verify", str(tmp_path)) == 2
    assert capsys.readouterr().err == f"crossdock: {tmp_path} is no file\n"
