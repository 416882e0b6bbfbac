"""Every archive of the fixtures does what their README says, in both forms, and comes out as it went in."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.contents import assert_accepted_by_gnu, assert_round_trip, contents
from tests.support.fixtures import archive
from tests.support.gitlab import GitLab

Failures = set[tuple[str, int | None]]

GOOD = [
    *(f"real/{name}" for name in (
        "nist_80053r5", "sample", "qa_export", "test_project_export", "lightweight_project_export", "rails",
        "hugo", "cluster_management", "iosswift", "hipaa_audit_protocol",
    )),
    *(f"trees/{name}" for name in (
        "complex", "complex_without_dot_slash", "light", "designs", "multi_pipeline_ref_one_external_pr",
    )),
    *(f"hostile/{number}_" for number in (
        "00", "17", "23", "24", "26", "29", "35", "37", "38", "39", "45", "47", "48", "49", "56",
    )),
]  # fmt: skip

PARTLY: dict[str, Failures] = {
    "trees/with_invalid_records": {("milestones", 0)},
    "trees/with_invalid_issues_and_milestones": {("milestones", 0), ("issues", 0), ("issues", 1)},
    "hostile/22_": {("labels", 1)},
    "hostile/25_": {("labels", 1)},
    "hostile/28_": {("labels", 0)},
    "hostile/31_": {("labels", 0)},
    "hostile/33_": {("labels", 0)},
    "hostile/34_": {("labels", 0)},
    "hostile/36_": {("labels", 0)},
}

REFUSED = {
    "real/legacy_single_json": "invalid import format",
    "hostile/01_": "tree/project/issues.ndjson",
    "hostile/02_": "tree/project.json",
    "hostile/03_": "VERSION",
    "hostile/05_": "hard link",
    "hostile/07_": "FIFO",
    "hostile/08_": "device",
    "hostile/09_": "..",
    "hostile/11_": "absolute",
    "hostile/13_": "Import version mismatch: Required 0.2.4 but was 0.2.3",
    "hostile/14_": "Import version mismatch: Required 0.2.4 but was",
    "hostile/15_": "VERSION",
    "hostile/19_": "invalid import format",
    "hostile/20_": "tree/project.json",
    "hostile/21_": "Incorrect JSON format",
    "hostile/42_": "Invalid bundle file",
    "hostile/51_": "cut short",
    "hostile/53_": "not a gzip file",
    "hostile/54_": "empty",
    "hostile/55_": "not a tar archive",
    "hostile/gitlab_symlink_export": "symbolic link",
}


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


@pytest.mark.parametrize("name", ["real/sample", "trees/complex", "hostile/45_"])
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
    assert _failures(status) == PARTLY[name]
    assert all(failure["exception_message"] for failure in status["failed_relations"])
    await _exported(gitlab, status["id"], tmp_path / "out.tar.gz")
    failed = {(relation, line) for relation, line in PARTLY[name] if line is not None}
    assert_round_trip(contents(source), contents(tmp_path / "out.tar.gz"), failed=failed)


async def test_a_bad_lfs_index_and_object_are_left_out_and_named(gitlab: GitLab, tmp_path: Path) -> None:
    source = archive("hostile/41_")
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
    assert REFUSED[name] in status["import_error"]
    exported = await gitlab.export(status["id"])
    assert exported["export_status"] == "finished"  # of a project without content
