from __future__ import annotations

import copy
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from services.cli.demo.archive import write_archive
from services.cli.demo.contents import Contents, differences, read_contents
from services.cli.gitlab_shape import ShapeInspection
from services.cli.results import ShapeReport
from services.cli.verification import verify
from shared.archive.limits import MIB, Limits
from tests.support.command import run

ISSUES = "tree/project/issues.ndjson"


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> Contents:
    folder = tmp_path_factory.mktemp("demo")
    (folder / "repository").mkdir()
    write_archive(folder / "demo.tar.gz", folder / "repository", issues=40)
    return read_contents(folder / "demo.tar.gz")


def changed(contents: Contents, change: Callable[[Contents], object]) -> list[str]:
    after = copy.deepcopy(contents)
    change(after)
    return list(differences(contents, after, failed=()))


def drop(contents: Contents, name: str) -> None:
    contents.blobs.pop(name, None)
    contents.lines.pop(name, None)
    del contents.sizes[name]


def upload(contents: Contents) -> str:
    return next(name for name in contents.blobs if name.startswith("uploads/"))


def test_the_archive_has_every_kind_of_content(contents: Contents) -> None:
    assert len(contents.lines[ISSUES]) == 40
    assert len(contents.lines["tree/project/merge_requests.ndjson"]) == 2
    assert {"VERSION", "tree/project.json", "lfs-objects.json"} <= contents.blobs.keys()
    assert {name.split("/")[0] for name in contents.blobs} >= {"uploads", "lfs-objects"}


async def test_an_import_takes_every_line_as_gitlab_writes_it_and_records_name_every_upload(
    tmp_path: Path, contents: Contents
) -> None:
    write_archive(tmp_path / "demo.tar.gz", tmp_path, issues=40)
    shape = ShapeInspection(Limits())
    result = await verify(tmp_path / "demo.tar.gz", limits=Limits(), strict=True, shape=shape)
    assert result.for_gitlab == ShapeReport(count=0, faults=[])
    assert sum(each.lines for each in result.relations.values()) == contents.line_count
    assert result.contents is not None
    assert [each.missing + each.unannounced for each in result.contents.values()] == [0, 0]


def test_without_git_there_is_no_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    write_archive(tmp_path / "demo.tar.gz", tmp_path, issues=1)
    assert "project.bundle" not in read_contents(tmp_path / "demo.tar.gz").blobs


def test_the_same_contents_do_not_differ(contents: Contents) -> None:
    assert changed(contents, lambda _: None) == []


def test_a_missing_blob_differs(contents: Contents) -> None:
    assert changed(contents, lambda after: drop(after, upload(after))) == [f"{upload(contents)} is missing"]


def test_a_missing_relation_differs(contents: Contents) -> None:
    assert changed(contents, lambda after: drop(after, ISSUES)) == [f"{ISSUES} is missing"]


def test_a_new_file_differs(contents: Contents) -> None:
    found = changed(contents, lambda after: after.sizes.update({"uploads/new": 1}))
    assert found == ["uploads/new was not there before"]


def test_other_bytes_differ(contents: Contents) -> None:
    found = changed(contents, lambda after: after.blobs.update({upload(after): b"other"}))
    assert found == [f"{upload(contents)} has other bytes"]


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines.pop(),
        lambda lines: lines.reverse(),
        lambda lines: lines.append(b"new"),
        lambda lines: lines.__setitem__(3, b"other"),
    ],
    ids=["missing", "in another order", "more", "changed"],
)
def test_other_lines_differ(contents: Contents, change: Callable[[list[bytes]], object]) -> None:
    assert changed(contents, lambda after: change(after.lines[ISSUES])) == [f"{ISSUES} has other lines"]


def test_a_failed_line_has_to_be_missing(contents: Contents) -> None:
    after = copy.deepcopy(contents)
    failed = {("issues", 3)}
    assert list(differences(contents, after, failed=failed)) == [f"{ISSUES} has other lines"]
    del after.lines[ISSUES][3]
    assert list(differences(contents, after, failed=failed)) == []


def test_where_failures_are_not_all_told_lines_may_be_missing_but_not_new(contents: Contents) -> None:
    after = copy.deepcopy(contents)
    del after.lines[ISSUES][3]
    assert list(differences(contents, after, failed=(), complete=False)) == []
    after.lines[ISSUES].append(b"new")
    assert list(differences(contents, after, failed=(), complete=False)) == [f"{ISSUES} has other lines"]


def test_a_blank_line_is_no_line() -> None:
    before = Contents(lines={ISSUES: [b"1", b"", b"2"]}, sizes=Contents().sizes)
    after = Contents(lines={ISSUES: [b"1", b"2"]})
    assert before.line_count == 2
    assert list(differences(before, after, failed=())) == []


def test_an_archive_to_try_things_with_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "one_export.tar.gz"
    assert run(monkeypatch, "demo", "--write", str(target)) == 0
    assert len(read_contents(target).lines[ISSUES]) > 100
    assert run(monkeypatch, "demo", "--write", str(tmp_path / "gone" / "one.tar.gz")) == 2
    assert "cannot write" in capsys.readouterr().err


def test_a_large_archive_has_lfs_objects_of_so_many_mib(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "large_export.tar.gz"
    assert run(monkeypatch, "demo", "--write", str(target), "--mib", "33") == 0
    with tarfile.open(target) as archive:
        sizes = [each.size for each in archive if each.isfile() and "lfs-objects/" in each.name]
    assert sizes == [32 * MIB, MIB]
    assert [each.name for each in tmp_path.iterdir()] == [target.name]
    assert run(monkeypatch, "demo", "--mib", "33") == 2
    assert "--mib is for --write" in capsys.readouterr().err
