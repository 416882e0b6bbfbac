"""Archives of each kind come to what is known of them, in both forms; in-process tests try them all."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.contents import assert_accepted_by_gnu, assert_round_trip, contents
from tests.support.gitlab import GitLab
from tests.support.samples.projects import small
from tests.support.samples.table import SAMPLES, archive

Failures = set[tuple[str, int | None]]

GOOD = ["every_relation", "many_records", "version_last", "from_macos", "bomb"]
PARTLY = ["invalid_issues_and_milestone", "line_over_50_mib"]
REFUSED = ["symbolic_link_in_the_uploads", "another_version", "bundle_that_is_none", "truncated"]


def _failures(status: dict[str, object]) -> Failures:
    failed = status["failed_relations"]
    assert isinstance(failed, list)
    return {(failure["relation_name"], failure["line_number"]) for failure in failed}


def _path() -> str:
    return f"p{uuid4().hex}"


async def _exported(gitlab: GitLab, project: int, target: Path) -> None:
    status = await gitlab.export(project)
    assert status["export_status"] == "finished", status
    await gitlab.download(project, target)


@pytest.mark.parametrize("name", GOOD)
async def test_a_good_archive_comes_out_as_it_went_in(gitlab: GitLab, tmp_path: Path, name: str) -> None:
    source = archive(name)
    status = await gitlab.import_file(source, _path())
    assert (status["import_status"], status["import_error"], _failures(status)) == ("finished", None, set())
    await _exported(gitlab, status["id"], tmp_path / "first.tar.gz")
    assert_round_trip(contents(source), contents(tmp_path / "first.tar.gz"))
    assert_accepted_by_gnu(tmp_path / "first.tar.gz")


@pytest.mark.parametrize("name", ["every_relation", "long_name"])
async def test_our_own_export_is_imported_and_exported_to_the_same_bytes(
    gitlab: GitLab, tmp_path: Path, name: str
) -> None:
    first, second = tmp_path / "first.tar.gz", tmp_path / "second.tar.gz"
    status = await gitlab.import_file(archive(name), _path())
    await _exported(gitlab, status["id"], first)
    again = await gitlab.import_file(first, _path())
    await _exported(gitlab, again["id"], second)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", PARTLY)
async def test_bad_records_are_left_out_and_named(gitlab: GitLab, tmp_path: Path, name: str) -> None:
    source = archive(name)
    status = await gitlab.import_file(source, _path())
    assert status["import_status"] == "finished"
    failed = {(failure.relation, failure.line) for failure in SAMPLES[name].failures}
    assert _failures(status) == failed
    assert all(failure["exception_message"] for failure in status["failed_relations"])
    await _exported(gitlab, status["id"], tmp_path / "out.tar.gz")
    assert_round_trip(contents(source), contents(tmp_path / "out.tar.gz"), failed=failed)


async def test_a_bad_lfs_index_and_object_are_left_out_and_named(gitlab: GitLab, tmp_path: Path) -> None:
    source = tmp_path / "in.tar.gz"
    source.write_bytes(small({"lfs-objects.json": b"{oops", f"lfs-objects/{'0' * 64}": b"hi"}))
    status = await gitlab.import_file(source, _path())
    assert status["import_status"] == "finished"
    assert {relation for relation, _ in _failures(status)} == {"lfs_objects"}
    await _exported(gitlab, status["id"], tmp_path / "out.tar.gz")
    after = contents(tmp_path / "out.tar.gz")
    assert not [name for name in after.names if name.startswith("lfs-objects/")]


@pytest.mark.parametrize("name", REFUSED)
async def test_a_broken_or_hostile_archive_is_refused_with_a_reason(gitlab: GitLab, name: str) -> None:
    path = _path()
    status = await gitlab.import_file(archive(name), path)
    assert status["import_status"] == "failed"
    assert status["import_error"].startswith(f"Error importing repository  into root/{path} - ")
    assert SAMPLES[name].error in status["import_error"]
    exported = await gitlab.export(status["id"])
    assert exported["export_status"] == "finished"  # of a project without content
