from __future__ import annotations

import gzip
import json
import time
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from services.cli import exports, imports, project_status
from services.cli.client import ImportRequest
from services.cli.errors import JobFailed, RefusedByServer
from services.cli.job_commands import Kind, State
from services.cli.job_operations import cancel, job_status, list_jobs, retry, retry_failed, wait
from services.cli.polling import JobProgressReader
from services.cli.results import JobResult
from services.cli.terminal import Measure, ObjectCounts
from shared.jobs.models import JobKind, JobState
from tests.support.command import documented, run, run_beside
from tests.support.gitlab_stub import Answer, Script, answer, archive, crossdock, exported, imported, job

SOON = timedelta(minutes=1)
OWN = "/api/crossdock/v1"
FAILURE = {"relation_name": "issues", "exception_class": "E", "exception_message": "bad", "line_number": 3}
HALFWAY = {
    "bytes_done": 500,
    "bytes_total": 1000,
    "bytes_per_second": 100,
    "remaining_seconds": 5,
    "relations": {"issues": {"bytes": 9, "lines": 40, "failed": 1}, "labels": {"lines": 2, "failed": 0}},
}


def query(target: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(target).query)


async def test_a_list_is_read_page_by_page() -> None:
    link = '<http://elsewhere.example/jobs?cursor=abc&per_page=100>; rel="next"'
    first = [job("finished", number) for number in range(250, 150, -1)]
    script = Script(answer(first, Link=link), answer([job("failed", 150)]))
    async with script.client() as client:
        found = await list_jobs(client, limit=100, filters={"state": "failed", "kind": None})
    assert [each.id for each in found.jobs] == list(range(250, 150, -1))
    assert found.has_more
    assert query(script.asked[0].target) == {"state": ["failed"], "per_page": ["100"]}
    assert query(script.asked[1].target) == {"state": ["failed"], "per_page": ["1"], "cursor": ["abc"]}


async def test_no_more_is_read_than_is_wanted() -> None:
    script = Script(answer([job("finished")] * 2, Link='<http://a/?cursor=b>; rel="next"'))
    async with script.client() as client:
        found = await list_jobs(client, limit=1, filters={})
    assert (len(found.jobs), found.has_more, len(script.asked)) == (1, True, 1)


async def test_all_failures_of_a_job_are_read() -> None:
    pages = (answer([FAILURE] * 100, Link='<http://a/?cursor=b>; rel="next"'), answer([FAILURE]))
    script = Script(answer(job("finished")), *pages)
    async with script.client() as client:
        told = await job_status(client, 5, all_failures=True)
    assert len(told.failed_relations or ()) == 101
    assert script.asked[1].target.startswith(f"{OWN}/jobs/5/failures?")


async def test_failures_are_asked_for_only_where_they_are_wanted() -> None:
    script = Script(answer(job("finished")))
    async with script.client() as client:
        assert (await job_status(client, 5, all_failures=False)).failed_relations is None


async def test_a_status_may_have_all_failures_of_the_newest_import() -> None:
    script = Script(imported("finished"), answer([job("finished")]), answer([FAILURE] * 2), exported("none"))
    async with script.client() as client:
        told = await project_status.status(client, "group/one", all_failures=True)
    assert len(told.import_.failed_relations) == 2
    assert query(script.asked[1].target) == {"project": ["7"], "kind": ["import"], "per_page": ["1"]}


@pytest.mark.parametrize("move", ["cancel", "retry"])
async def test_a_move_has_its_effect_once_however_often_it_is_sent(move: str) -> None:
    script = Script(answer(status=503), answer(job("queued", 6), 201))
    async with script.client() as client:
        done = await (cancel(client, 5) if move == "cancel" else retry(client, 5, within=None))
    assert done.job.id == 6
    assert {asked.target for asked in script.asked} == {f"{OWN}/jobs/5/{move}"}
    assert len({asked.headers["Idempotency-Key"] for asked in script.asked}) == 1


async def test_a_retried_job_is_waited_for() -> None:
    states = (answer(job(state, 6)) for state in ("running", "finished"))
    script = Script(answer(job("queued", 6), 201), *states)
    async with script.client() as client:
        assert (await retry(client, 5, within=SOON)).job.state == "finished"


@pytest.mark.parametrize("state", ["failed", "canceled"])
async def test_a_retried_job_that_does_not_finish_is_told_as_it_stands(state: str) -> None:
    script = Script(answer(job("queued", 6), 201), answer(job(state, 6)))
    async with script.client() as client:
        with pytest.raises(JobFailed, match=f"job 6 {state}") as failed:
            await retry(client, 5, within=SOON)
    assert isinstance(failed.value.document, JobResult)
    assert failed.value.document.job.state == state


async def test_a_problem_is_told_in_its_own_words() -> None:
    script = Script(answer({"title": "Conflict", "detail": "the job has ended", "status": 409}, 409))
    async with script.client() as client:
        with pytest.raises(RefusedByServer, match="the job has ended"):
            await cancel(client, 5)


async def test_a_retry_that_is_refused_is_not_asked_for_again() -> None:
    refusal = {"title": "Conflict", "detail": "the project has a newer import", "status": 409}
    every_answer_has = {"RateLimit_Reset": str(int(time.time()) + 60)}
    script = Script(answer(refusal, 409, **every_answer_has))
    async with script.client() as client:
        with pytest.raises(RefusedByServer, match="the project has a newer import"):
            await retry(client, 5, within=SOON)
    assert len(script.asked) == 1


async def test_how_far_a_job_is_comes_from_its_progress() -> None:
    script = Script(answer(job("running", progress=HALFWAY)))
    async with script.client() as client:
        measure = await JobProgressReader(client, 5).measure()
    assert measure == Measure(done=500, total=1000, lines=42, rate=100, remaining=5)


async def test_how_far_an_import_from_github_is_comes_from_its_counts() -> None:
    progress = {"stats": {"fetched": {"issue": 2}, "imported": {"issue": 1}}, "requests_left": None}
    script = Script(answer(job("running", progress=progress)))
    async with script.client() as client:
        measure = await JobProgressReader(client, 5).measure()
    assert measure == ObjectCounts({"issue": 2}, {"issue": 1})


@pytest.mark.parametrize(
    "counts", [{}, {"stats": {"fetched": {"issue": 2}, "imported": {"issue": 1}}, "requests_left": 7}]
)
async def test_the_counts_of_a_job_are_shown_where_it_has_some(
    counts: dict[str, object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, document = await documented(
        Script(answer(job("running", progress=counts))), monkeypatch, capsys, "status", "--job", "5"
    )
    told = {name: document["job"]["progress"].get(name) for name in ("stats", "requests_left")}
    assert (code, {name: value for name, value in told.items() if value is not None}) == (0, counts)
    async with Script(answer(job("running", progress=counts))).server() as url:
        assert await run_beside(monkeypatch, "status", "--job", "5", "--url", url, "--token", "t") == 0
    assert ("issue  2  1" in capsys.readouterr().out) == bool(counts)


@pytest.mark.parametrize(
    "problem", [answer(status=404), answer(status=503), answer([]), answer(job("queued"))]
)
async def test_what_is_not_told_of_a_job_keeps_nobody_from_waiting(problem: Answer) -> None:
    script = Script(problem)
    async with script.client() as client:
        assert await JobProgressReader(client, 5).measure() is None
    assert len(script.asked) == 1


@pytest.fixture
def made(tmp_path: Path) -> Path:
    file = tmp_path / "one.tar.gz"
    file.write_bytes(b"\x1f\x8bdata")
    return file


async def test_an_import_by_a_crossdock_shows_how_far_it_is(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = Script(
        crossdock(),
        imported("scheduled", job=5),
        imported("started"),
        answer(job("running", progress=HALFWAY)),
        imported("finished"),
        answer(job("finished", progress=HALFWAY)),
    )
    async with script.client() as client:
        done = await imports.import_project(client, made, ImportRequest("one"), within=SOON)
    assert done.job == 5
    told = "Importing: started, 500 bytes of 1.0 kB, 42 lines, 100 bytes/s, 0:00:05 left"
    assert told in capsys.readouterr().err


async def test_a_gitlab_is_asked_for_nothing_of_ours(made: Path, tmp_path: Path) -> None:
    script = Script(
        answer(),
        imported("scheduled"),
        imported("finished"),
        answer(),
        answer(status=202),
        exported("finished"),
        archive(gzip.compress(b"data")),
        imported("finished"),
        exported("finished"),
    )
    async with script.client() as client:
        await imports.import_project(client, made, ImportRequest("one"), within=SOON)
        target = tmp_path / "out.tar.gz"
        options = exports.ExportOptions(description=None, within=SOON)
        await exports.export_project(client, 7, target, options, resume=True)
        await project_status.status(client, "7", all_failures=False)
    assert [asked.target for asked in script.asked if not asked.target.startswith("/api/v4/")] == []


def test_jobs_are_asked_for_by_the_kinds_and_states_that_there_are() -> None:
    assert {kind.value for kind in Kind} == {kind.shown for kind in JobKind}
    assert {state.value for state in State} == {state.value for state in JobState}


@pytest.mark.parametrize("arguments", [(), ("7", "--job", "5")])
def test_a_status_is_of_a_project_or_of_a_job(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "status", *arguments, "--token", "t") == 2
    assert capsys.readouterr().err == "crossdock: name a project, or a job by --job\n"


async def test_jobs_are_one_document_with_all_that_the_server_tells(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    full = job("running", progress=HALFWAY) | {
        "timings": {"phases": []},
        "lease": {"number": 1},
        "outcome": None,
    }
    script = Script(answer([full]))
    async with script.server() as url:
        words = ("jobs", "--json", "--url", url, "--token", "t", "--mine", "--since", "2026-11-01")
        assert await run_beside(monkeypatch, *words) == 0
    (told,) = json.loads(capsys.readouterr().out)["jobs"]
    assert (told["timings"], told["lease"]) == ({"phases": []}, {"number": 1})
    assert told["progress"]["remaining_seconds"] == 5
    assert query(script.asked[0].target)["created_after"] == ["2026-11-01T00:00:00Z"]
    assert query(script.asked[0].target)["mine"] == ["true"]


async def test_people_see_jobs_as_lines_with_the_whole_reason_of_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reason = "not a gzip file, " + "or one that was cut off, " * 9
    async with Script(answer([job("failed") | {"error": reason}, job("finished", 4)])).server() as url:
        await run_beside(monkeypatch, "jobs", "--url", url, "--token", "t")
    assert capsys.readouterr().out.splitlines() == [
        "id  kind  state  project  created  error",
        f"5  import  failed  group/one  2026-11-25 00:00:00Z  {reason}",
        "4  import  finished  group/one  2026-11-25 00:00:00Z  -",
    ]


ABSENT = "No such file or directory (VERSION is missing)"
NO_EXPORT = job("failed") | {"error": ABSENT}


@pytest.mark.parametrize(
    ("command", "answers"),
    [
        ("jobs", (answer([NO_EXPORT]),)),
        ("status --job 5", (answer(NO_EXPORT),)),
        ("status group/one", (imported("failed", import_error=ABSENT), answer(), exported("none"))),
        ("wait 5", (answer(NO_EXPORT), answer(NO_EXPORT))),
    ],
)
async def test_each_command_explains_what_gitlab_says_of_a_file_that_is_no_export(
    command: str, answers: tuple[Answer, ...], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    async with Script(*answers).server() as url:
        await run_beside(monkeypatch, *command.split(), "--url", url, "--token", "t")
    told = capsys.readouterr()
    assert f"{ABSENT}: the file is no export of a GitLab project" in told.out + told.err


async def test_people_see_a_job_with_its_relations(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Script(answer(job("failed", progress=HALFWAY))).server() as url:
        await run_beside(monkeypatch, "status", "--job", "5", "--url", url, "--token", "t")
    told = capsys.readouterr().out.splitlines()
    assert "error  not a gzip file" in told
    assert "issues  40  1" in told
    assert "1  2026-11-25 00:00:01Z  3  storage_failed  the object storage is not available now" in told


async def test_people_see_who_canceled_a_job_and_how_it_was_retried(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = {"canceled_by": {"id": 3, "username": "eve", "name": "Eve"}, "retry_of": 4, "retried_by": 6}
    async with Script(answer(job("canceled") | moved)).server() as url:
        await run_beside(monkeypatch, "status", "--job", "5", "--url", url, "--token", "t")
    told = capsys.readouterr().out.splitlines()
    assert {"canceled by  eve", "retry of  job 4", "retried as  job 6"} <= set(told)


def _page(matched: list[int], next_before: int | None) -> Answer:
    retried = [{"id": each, "job_id": each + 1000} for each in matched[1:]]
    refused = [{"id": matched[0], "code": "retry_gone", "error": "gone"}]
    body = {"matched": matched, "retried": retried, "refused": refused, "next_before": next_before}
    return answer(body)


async def test_failed_jobs_are_retried_page_by_page_until_there_are_no_more() -> None:
    script = Script(answer(status=503), _page([9, 8], 8), _page([7], None))
    async with script.client() as client:
        done = await retry_failed(
            client, limit=150, dry_run=False, filters={"code": "storage_failed", "kind": None}
        )
    assert done.matched == [9, 8, 7]
    assert [(each.id, each.job_id) for each in done.retried] == [(8, 1008)]
    assert [each.id for each in done.refused] == [9, 7]
    sent = [json.loads(asked.body) for asked in script.asked]
    asked_for = {"code": "storage_failed", "dry_run": False}
    assert sent == [
        asked_for | {"limit": 100, "before": None},
        asked_for | {"limit": 100, "before": None},
        asked_for | {"limit": 100, "before": 8},
    ]
    keys = [asked.headers["Idempotency-Key"] for asked in script.asked]
    assert keys[0] == keys[1] != keys[2]


async def test_no_more_failed_jobs_are_retried_than_are_wanted() -> None:
    script = Script(_page([9, 8], 8))
    async with script.client() as client:
        assert (await retry_failed(client, limit=2, dry_run=True, filters={})).matched == [9, 8]
    assert [json.loads(asked.body)["limit"] for asked in script.asked] == [2]


async def test_people_see_how_many_jobs_were_retried_and_why_others_were_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Script(_page([9, 8], None)).server() as url:
        words = (
            "retry-failed",
            "--code",
            "storage_failed",
            "--since",
            "2026-11-01",
            "--url",
            url,
            "--token",
            "t",
        )
        assert await run_beside(monkeypatch, *words) == 0
    told = capsys.readouterr()
    assert "1 job retried, 1 refused" in told.out
    assert "9  retry_gone  gone" in told.err


async def test_a_dry_run_says_in_a_line_how_many_jobs_would_be_retried_and_why_others_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = [{"id": each, "code": "retry_gone", "error": "gone"} for each in (7, 6)]
    refused += [{"id": 5, "code": "user_blocked", "error": "blocked"}]
    found = {"matched": [9, 8, 7, 6, 5], "retried": [], "refused": refused, "next_before": None}
    none = found | {"matched": [7, 6, 5]}
    async with Script(answer(found), answer(none)).server() as url:
        for _ in range(2):
            words = ("retry-failed", "--dry-run", "--url", url, "--token", "t")
            assert await run_beside(monkeypatch, *words) == 0
    told = capsys.readouterr()
    assert told.out.splitlines() == [
        "2 jobs would be retried, 3 refused (2 retry_gone, 1 user_blocked): 9, 8",
        "0 jobs would be retried, 3 refused (2 retry_gone, 1 user_blocked)",
    ]
    assert "5  user_blocked  blocked" in told.err


async def test_a_job_is_waited_for_until_it_ends() -> None:
    script = Script(answer(job("queued")), answer(job("running")), answer(job("finished")))
    async with script.client() as client:
        assert (await wait(client, 5, within=SOON)).job.state == "finished"
    assert {each.target for each in script.asked} == {f"{OWN}/jobs/5"}


async def test_a_job_that_fails_ends_the_wait_with_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = Script(answer(job("failed")), answer(job("failed")))
    async with script.server() as url:
        assert await run_beside(monkeypatch, "wait", "1", "--json", "--url", url, "--token", "t") == 1
    assert json.loads(capsys.readouterr().out)["job"]["state"] == "failed"
