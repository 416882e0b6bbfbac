from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from services.cli.gitlab_shape import ShapeInspection
from services.cli.results import MOST_LISTED, ShapeFaultResult, ShapeReport
from services.cli.verification import ShapeMismatch, verify
from shared.archive.limits import Limits
from shared.gitlab import iids
from tests.support.command import run
from tests.support.projects import VERSION, archive, project
from tests.support.samples.relations import line

LABEL: dict[str, object] = {"title": "t", "color": "#ff0000", "project_id": 1, "template": False} | {
    "type": "ProjectLabel", "description": None, "priorities": [],
    "created_at": "2024-01-02T03:04:05.678Z", "updated_at": "2024-01-02T03:04:05.678Z",
}  # fmt: skip
GOOD = line(LABEL) + b"\n"
BAD = line({**LABEL, "color": 1}) + b"\n"
OF_COLOR = "is an integer, not a string"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "one.tar.gz"


def written(file: Path, data: bytes) -> Path:
    file.write_bytes(data)
    return file


async def inspected(file: Path, data: bytes) -> ShapeReport:
    """Give what is found, whichever way it ends."""
    written(file, data)
    limits = Limits()
    try:
        result = await verify(file, limits=limits, strict=False, shape=ShapeInspection(limits))
    except ShapeMismatch as error:
        result = error.document
    assert result.for_gitlab
    return result.for_gitlab


async def test_an_archive_as_gitlab_writes_it_has_no_fault(file: Path) -> None:
    told = await inspected(file, project(labels=GOOD * 2, project_feature=b"null"))
    assert told == ShapeReport(0, [])


async def test_relation_line_and_field_are_told(file: Path) -> None:
    told = await inspected(file, project(labels=GOOD + BAD))
    assert told == ShapeReport(1, [ShapeFaultResult("labels", 1, "color", OF_COLOR)])


async def test_blank_lines_are_counted_and_told(file: Path) -> None:
    told = await inspected(file, project(labels=GOOD + b"\n\n\n" + BAD))
    assert [(each.line, each.field) for each in told.faults] == [(1, ""), (4, "color")]


async def test_the_attributes_of_the_project_are_inspected(file: Path) -> None:
    files = [VERSION, ("tree/project.json", b'{"archived": 1}')]
    told = await inspected(file, archive(files))
    assert told.faults == [ShapeFaultResult(None, None, "archived", "is an integer, not a boolean or null")]


async def test_what_gitlab_passes_over_is_not_inspected(file: Path) -> None:
    told = await inspected(file, project(("uploads/1/a", b"x"), services=b'{"title":"x","x":1}\n'))
    assert told.count == 0


async def test_of_two_files_of_one_name_the_later_counts(file: Path) -> None:
    name = "tree/project/labels.ndjson"
    told = await inspected(file, project((name, BAD * 3), (name, GOOD + BAD)))
    assert told == ShapeReport(1, [ShapeFaultResult("labels", 1, "color", OF_COLOR)])


async def test_faults_are_bounded_for_each_line_and_in_all(file: Path) -> None:
    many = line({**LABEL, **{f"x{number}": 1 for number in range(MOST_LISTED + 1)}}) + b"\n"
    told = await inspected(file, project(labels=many + BAD))
    assert (told.count, len(told.faults)) == (MOST_LISTED + 1, MOST_LISTED)


@pytest.mark.parametrize(
    ("arguments", "labels", "code", "error_code"),
    [
        (("--for-gitlab",), GOOD, 0, None),
        (("--for-gitlab",), BAD, 1, "shape_mismatch"),
        ((), BAD, 0, None),
    ],
)
def test_the_exit_code_says_whether_all_is_as_gitlab_writes_it(
    arguments: tuple[str, ...],
    labels: bytes,
    code: int,
    error_code: str | None,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file.write_bytes(project(labels=labels))
    assert run(monkeypatch, "verify", str(file), "--json", *arguments) == code
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert told["error_code"] == error_code
    assert (told["for_gitlab"] is not None) == bool(arguments)


def test_people_see_what_differs(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_bytes(project(labels=BAD))
    run(monkeypatch, "verify", str(file), "--for-gitlab")
    told = capsys.readouterr().err
    assert f"labels  color  {OF_COLOR}  1  1  -  " in told
    assert "1 difference from what GitLab writes" in told
    assert f"{file} is not as GitLab writes archives" in told


async def test_what_a_gitlab_would_refuse_is_told_with_number_and_effect(file: Path) -> None:
    first = line({"title": "t", "iid": 7, "timelogs": [{"time_spent": None}]}) + b"\n"
    told = await inspected(file, project(issues=first + line({"title": "u", "iid": 7}) + b"\n"))
    refused = [each for each in told.faults if each.effect.startswith("drops")]
    assert refused == [
        ShapeFaultResult("issues", 0, "timelogs[0].time_spent", "can't be blank", 7, "drops_nested"),
        ShapeFaultResult("issues", 1, "iid", "7 was there before", 7, "drops_record"),
    ]


async def test_a_record_that_is_left_out_takes_no_number(file: Path) -> None:
    records = line({"title": None, "iid": 7}) + b"\n" + line({"title": "t", "iid": 7}) + b"\n"
    told = await inspected(file, project(issues=records))
    assert [each.line for each in told.faults if each.effect == "drops_record"] == [0]


async def test_numbers_of_a_file_that_another_replaces_are_forgotten(file: Path) -> None:
    name = "tree/project/issues.ndjson"
    record = line({"title": "t", "iid": 7}) + b"\n"
    told = await inspected(file, project((name, record), (name, record)))
    assert [each for each in told.faults if each.field == "iid"] == []


async def test_what_ends_an_import_of_gitlabs_is_told(file: Path) -> None:
    told = await inspected(file, project(labels=GOOD + b"\n" + b"{\n"))
    assert [(each.line, each.effect) for each in told.faults] == [(1, "fails_import"), (2, "fails_import")]


async def test_people_see_each_kind_of_fault_once(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    link = {"target_type": "Issue", "label": {"title": "a", "type": "ProjectLabel"}}
    issues = [line({"title": "t", "iid": iid, "label_links": [link, link]}) for iid in (7, 8)]
    told = await inspected(file, project(issues=b"\n".join(issues) + b"\n"))
    told.list_faults()
    said = capsys.readouterr().err.splitlines()
    assert "issues  confidential  is missing  2  1  7  -" in said
    assert "issues  label_links[].label.color  is missing  4  1  7  -" in said
    assert len(said) < len(told.faults)


async def test_relations_whose_numbers_are_not_all_compared_are_named(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(iids, "MOST_PAGES", 1)
    told = await inspected(file, project(milestones=b'{"title":"t","iid":1}\n{"title":"u","iid":1000000}\n'))
    assert told.partial == ("milestones",)
    told.list_faults()
    assert "Numbers are too far apart to compare all of them in: milestones" in capsys.readouterr().err
