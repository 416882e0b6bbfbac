"""Selections of relations by options: read before anything is asked, told where they are not obeyed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from services.cli.errors import UsageError
from services.cli.exports import ExportOptions, export_project
from services.cli.imports import import_project, import_request
from services.cli.relations import SelectionUnsupported, both, read_selection
from shared.gitlab.relation_selection import RelationSelection
from tests.support.gitlab_stub import Answer, Script, answer, crossdock, exported, imported, job
from tests.support.projects import project

ISSUES = RelationSelection(relations=("issues",))
OPTIONS = ExportOptions(description=None, within=timedelta(minutes=1), selection=ISSUES)
SELECTED = {
    "selection": {
        "left_out": {"uploads": {"files": 2, "bytes": 9}},
        "missed": [{"relation": "issues", "refers_to": "uploads"}],
    }
}


@pytest.mark.parametrize(
    ("only", "but", "selection"),
    [
        (None, None, None),
        ([" issues,design ", "issues"], None, RelationSelection(relations=("design_repository", "issues"))),
        (None, ["uploads"], RelationSelection(excluded_relations=("uploads",))),
        ([], [" "], None),
    ],
)
def test_names_are_between_commas_or_in_several_options(
    only: list[str] | None, but: list[str] | None, selection: RelationSelection | None
) -> None:
    assert read_selection(only, but) == selection


@pytest.mark.parametrize(
    ("only", "but", "problem"),
    [
        (["issues"], ["labels"], "exclude each other"),
        ([","], None, "names no relation"),
        (["isues"], None, "there is no relation 'isues'; possible are labels, "),
        (None, ["self"], "there is no relation 'self'"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(
    only: list[str] | None, but: list[str] | None, problem: str
) -> None:
    with pytest.raises(UsageError, match=problem):
        read_selection(only, but)


def test_what_both_of_two_selections_take() -> None:
    but = RelationSelection(excluded_relations=("uploads",))
    assert both(None, None) is None
    assert both(ISSUES, None) == both(None, ISSUES) == both(ISSUES, but) == ISSUES
    taken = both(but, RelationSelection(relations=("issues", "uploads")))
    assert taken == ISSUES


def finished(**progress: object) -> Answer:
    return answer(job("finished", progress={"bytes_done": 1, **progress}))


async def test_a_selection_is_sent_with_an_export_and_what_refers_to_the_rest_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = Script(crossdock(), crossdock(), answer(status=202, X_Crossdock_Job="5"), exported("finished"),
                    finished(), finished(**SELECTED))  # fmt: skip
    async with script.client() as client:
        with pytest.raises(Exception, match="418"):  # the download is not in the script
            await export_project(client, 7, tmp_path / "out.tar.gz", OPTIONS, resume=False)
    [ordered] = [json.loads(each.body) for each in script.asked if each.method == "POST"]
    assert ordered == {"relations": "issues"}
    assert "issues refers to uploads, which is left out" in capsys.readouterr().err


async def test_a_server_that_passes_over_a_selection_of_an_export_is_told(tmp_path: Path) -> None:
    script = Script(crossdock(), crossdock(), answer(status=202, X_Crossdock_Job="5"), exported("finished"),
                    finished(), finished())  # fmt: skip
    async with script.client() as client:
        with pytest.raises(SelectionUnsupported, match="knows no selections"):
            await export_project(client, 7, tmp_path / "out.tar.gz", OPTIONS, resume=False)


async def test_a_gitlab_is_asked_for_no_export_of_a_selection(tmp_path: Path) -> None:
    script = Script(answer({"version": "18.9.0", "revision": "abc"}))
    async with script.client() as client:
        with pytest.raises(SelectionUnsupported, match="a GitLab cannot select"):
            await export_project(client, 7, tmp_path / "out.tar.gz", OPTIONS, resume=False)
    assert [each.method for each in script.asked] == ["GET"]


async def test_a_selection_is_sent_with_an_import(tmp_path: Path) -> None:
    packed = tmp_path / "a.tar.gz"
    packed.write_bytes(project())
    script = Script(crossdock(), crossdock(), imported("scheduled", job=5), imported("finished", job=5),
                    finished(), finished(**SELECTED))  # fmt: skip
    to = import_request("group/one", name=None, overwrite=False, override=())
    async with script.client() as client:
        await import_project(client, packed, replace(to, selection=ISSUES), within=timedelta(minutes=1))
    [upload] = [each.body for each in script.asked if each.method == "POST"]
    assert b'name="relations"\r\n\r\nissues\r\n' in upload


async def test_an_archive_of_another_selection_is_not_taken_for_the_rest_of_a_partial_one() -> None:
    names = {
        replace(OPTIONS, selection=each).named
        for each in (None, ISSUES, RelationSelection(excluded_relations=("issues",)))
    }
    assert len(names) == 3
