from __future__ import annotations

import pytest

from tests.support.command import documented, run_beside
from tests.support.gitlab_stub import Answer, Script, answer, crossdock, exported, imported, job

LINE = {"relation_name": "issues", "exception_class": "E", "exception_message": "bad", "line_number": 3}
FILE = LINE | {"relation_name": "uploads", "line_number": None}
ABSENT = answer({"message": "404 Project Not Found"}, 404)


def left_out(*failures: dict[str, object]) -> Answer:
    return imported("finished", failed_relations=list(failures))


def refused(lines: int) -> Answer:
    of_issues = {"lines": lines, "bytes": 9, "not_kept": 0}
    each = of_issues | {"relation": "issues", "codes": {"not_json": lines}}
    return answer(of_issues | {"relations": [each] if lines else []})


async def shown(script: Script, monkeypatch: pytest.MonkeyPatch, project: str = "group/one") -> int:
    async with script.server() as url:
        return await run_beside(monkeypatch, "status", project, "--url", url, "--token", "secret")


async def test_lines_that_are_refused_still_are_counted_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = Script(left_out(LINE, LINE, FILE), crossdock(), refused(1), exported("finished"))
    assert await shown(script, monkeypatch) == 0
    told = capsys.readouterr()
    assert "left out  3\nrefused still  1 line: crossdock quarantine group/one\n" in told.out
    assert (told.err.count("issues  4"), told.err.count("uploads  -")) == (2, 1)
    assert script.asked[2].target == "/api/crossdock/v1/projects/7/quarantine"


async def test_lines_that_are_repaired_are_failures_no_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = Script(left_out(LINE, FILE), crossdock(), refused(0), exported("finished"))
    assert await shown(script, monkeypatch) == 0
    told = capsys.readouterr()
    assert "refused still  none: repaired, or discarded\n" in told.out
    assert (told.err.count("issues  4"), told.err.count("uploads  -")) == (0, 1)


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ((left_out(LINE), crossdock(), refused(0)), 0),
        ((left_out(LINE), crossdock(), answer(status=403)), None),
        ((left_out(LINE), answer({"version": "18.9.0", "revision": "abcdef"})), None),
        ((left_out(FILE),), None),
    ],
    ids=["crossdock", "no maintainer", "gitlab", "no lines"],
)
async def test_the_document_keeps_the_failures_and_tells_how_many_lines_are_refused_still(
    asked: tuple[Answer, ...], count: int | None, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    script = Script(*asked, exported("none"))
    code, document = await documented(script, monkeypatch, capsys, "status", "group/one")
    assert (code, document["refused_lines"], len(document["import"]["failed_relations"])) == (0, count, 1)


async def test_the_export_of_another_user_is_not_denied(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await shown(Script(imported("finished"), exported("none")), monkeypatch) == 0
    assert "export  none of yours\n" in capsys.readouterr().out


async def test_the_number_of_a_job_is_told_from_that_of_a_project(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = Script(ABSENT, crossdock(), answer(job("failed", 77)))
    assert await shown(script, monkeypatch, "77") == 3
    told = "404 Project Not Found: 77 is a job, so give --job 77 (HTTP 404)\n"
    assert capsys.readouterr().err == f"crossdock: the server refused: {told}"


@pytest.mark.parametrize(
    ("project", "answers"),
    [
        ("77", (ABSENT, crossdock(), answer(status=404))),
        ("77", (ABSENT, answer({"revision": "abcdef"}))),
        ("77", (ABSENT, answer(status=418))),
        ("group/one", (ABSENT,)),
    ],
    ids=["no job", "gitlab", "no version", "path"],
)
async def test_what_is_neither_project_nor_job_has_no_hint(
    project: str, answers: tuple[Answer, ...], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    script = Script(*answers)
    code, document = await documented(script, monkeypatch, capsys, "status", project)
    assert (code, document["error"]) == (3, "the server refused: 404 Project Not Found (HTTP 404)")
    assert len(script.asked) == len(answers)
