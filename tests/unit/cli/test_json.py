from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
from importlib.metadata import version
from pathlib import Path

import msgspec
import pytest

from services.cli import (
    admin_commands,
    admin_results,
    destination_commands,
    destinations,
    job_commands,
    people,
    project_commands,
    push,
    results,
    schedule_commands,
    schedules,
)
from services.cli.__main__ import version as version_command
from tests.support.command import documented, run, run_beside
from tests.support.gitlab_stub import (
    Answer,
    Script,
    answer,
    archive,
    exported,
    imported,
    problem,
)
from tests.support.projects import project

ARCHIVE = gzip.compress(b"data", mtime=0)
FAILURE = {
    "relation_name": "issues",
    "exception_class": "E",
    "exception_message": "\x9b bad",
    "line_number": 3,
}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    file = tmp_path / "one.tar.gz"
    file.write_bytes(b"\x1f\x8bdata")
    return file


async def test_an_import_gives_one_document(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = Script(answer(), imported("scheduled"), imported("finished", failed_relations=[FAILURE]))
    code, document = await documented(script, monkeypatch, capsys, "import", str(made), "--path", "group/one")
    assert code == 0
    assert document == {
        "project": {"id": 7, "path_with_namespace": "group/one"},
        "job": None,
        "state": "finished",
        "error": None,
        "error_code": None,
        "failed_relations": [FAILURE],
    }


async def test_a_gitlab_may_know_neither_relation_nor_class_of_a_failure(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unknown = FAILURE | {"relation_name": None, "exception_class": None}
    script = Script(answer(), imported("scheduled"), imported("finished", failed_relations=[unknown]))
    code, document = await documented(script, monkeypatch, capsys, "import", str(made), "--path", "group/one")
    assert (code, document["failed_relations"]) == (0, [unknown])


async def test_a_failed_import_gives_its_state_and_the_error(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = Script(answer(), imported("scheduled"), imported("failed", import_error="no gzip"))
    code, document = await documented(script, monkeypatch, capsys, "import", str(made), "--path", "group/one")
    assert code == 1
    assert (document["state"], document["project"]["id"]) == ("failed", 7)
    assert document["error"] == "the import of group/one failed: no gzip"
    assert document["error_code"] is None


async def test_an_export_gives_what_arrived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = str(tmp_path / "out.tar.gz")
    script = Script(answer(), answer(status=202), exported("finished"), archive(ARCHIVE))
    code, document = await documented(script, monkeypatch, capsys, "export", "group/one", "-o", target)
    assert code == 0
    assert (document["file"], document["bytes"], document["sha256"][:8]) == (
        target,
        len(ARCHIVE),
        hashlib.sha256(ARCHIVE).hexdigest()[:8],
    )


async def test_an_export_that_cannot_be_fetched_gives_its_state_and_the_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = str(tmp_path / "out.tar.gz")
    script = Script(answer(), answer(status=202), exported("finished"), answer({"message": "gone"}, 404))
    code, document = await documented(script, monkeypatch, capsys, "export", "group/one", "-o", target)
    assert code == 3
    assert (document["state"], document["file"], document["sha256"]) == ("finished", None, None)
    assert document["error"] == "the server refused: gone (HTTP 404)"
    assert document["error_code"] == "server_refused"


def test_an_archive_and_a_document_do_not_share_stdout(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "export", "1", "-o", "-", "--json", "--token", "t") == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "--json and --output - would both write to stdout" in told.err


@pytest.mark.parametrize(
    ("visible", "state"), [(exported("none"), "none"), (answer(status=403), None), (answer(status=404), None)]
)
async def test_a_status_gives_both_states(
    visible: Answer, state: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, document = await documented(
        Script(imported("finished"), visible), monkeypatch, capsys, "status", "group/one"
    )
    assert code == 0
    assert document["import"] == {
        "state": "finished", "error": None, "error_code": None, "failed_relations": [],
    }  # fmt: skip
    assert document["export"] == {"state": state}


async def test_a_refusal_gives_its_sentence_and_its_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = Script(answer({"message": "404 Project Not Found"}, 404))
    assert await documented(script, monkeypatch, capsys, "status", "1") == (
        3,
        {"error": "the server refused: 404 Project Not Found (HTTP 404)", "error_code": "server_refused"},
    )


def test_wrong_usage_gives_its_sentence_and_its_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CROSSDOCK_TOKEN", raising=False)
    assert run(monkeypatch, "status", "1", "--json") == 2
    assert json.loads(capsys.readouterr().out) == {
        "error": "no token: run crossdock login, set CROSSDOCK_TOKEN or give --token",
        "error_code": "usage",
    }


async def test_what_comes_from_an_archive_cannot_drive_the_terminal_in_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = Script(imported("finished", failed_relations=[FAILURE]), answer(), exported("none"))
    async with script.server() as url:
        await run_beside(monkeypatch, "status", "1", "--json", "--url", url, "--token", "secret")
    out = capsys.readouterr().out
    assert out.isascii()
    assert json.loads(out)["import"]["failed_relations"] == [FAILURE]


@pytest.mark.parametrize(
    ("strict", "end", "code", "error"),
    [
        (["--strict"], (), 1, ("nothing was committed, as lines would be left out", "job_failed")),
        (
            [],
            (problem("snapshot_outdated", 409, "new content"),),
            3,
            ("the server refused: new content (HTTP 409)", "snapshot_outdated"),
        ),
    ],
)
async def test_a_push_that_is_not_committed_gives_the_failures_and_the_error(
    strict: list[str], end: tuple[Answer, ...], code: int, error: tuple[str, str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "project.json").write_text("{}")
    line = {key: value for key, value in FAILURE.items() if key != "relation_name"}
    sent = {"name": "tree/project/issues.ndjson", "failed_lines": 7, "failures": [line]}
    opened = answer({"id": 7, "state": "open", "entries": 0, "bytes": 0}, 201)
    script = Script(opened, answer(sent), *end, answer(status=204))

    ended = await documented(script, monkeypatch, capsys, "push", str(tmp_path), "group/one", *strict)

    assert ended == (
        code,
        {
            "snapshot": None,
            "error": error[0],
            "error_code": error[1],
            "failure_count": 7,
            "failed_relations": [FAILURE],
        },
    )


UNNAMED = os.fsdecode(b"\xff.tar.gz")
SHOWN = "\N{REPLACEMENT CHARACTER}.tar.gz"


@pytest.mark.parametrize(("data", "code"), [(project(), 0), (b"no archive", 1), (None, 2)])
def test_a_file_whose_name_is_no_utf8_is_told_with_what_can_be_shown(
    data: bytes | None, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    if data is not None:
        (tmp_path / UNNAMED).write_bytes(data)

    assert run(monkeypatch, "verify", str(tmp_path / UNNAMED), "--json") == code

    document = json.loads(capsys.readouterr().out)
    assert document.get("file", str(tmp_path / SHOWN)) == str(tmp_path / SHOWN)
    assert code == 0 or SHOWN in document["error"]


async def test_an_export_to_a_file_whose_name_is_no_utf8_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / UNNAMED
    script = Script(answer(), answer(status=202), exported("finished"), archive(ARCHIVE))
    code, document = await documented(script, monkeypatch, capsys, "export", "7", "-o", str(target))
    assert (code, document["file"]) == (0, str(tmp_path / SHOWN))
    assert target.read_bytes() == ARCHIVE


async def test_an_archive_whose_name_is_no_utf8_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / UNNAMED).write_bytes(b"\x1f\x8bdata")
    script = Script(answer(), imported("scheduled"), imported("finished"))
    code, _ = await documented(
        script, monkeypatch, capsys, "import", str(tmp_path / UNNAMED), "--path", "group/one"
    )
    assert code == 0


async def test_a_file_of_a_tree_whose_name_is_no_utf8_is_wrong_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "project.json").write_text("{}")
    (tmp_path / UNNAMED).touch()
    code, document = await documented(Script(), monkeypatch, capsys, "push", str(tmp_path), "group/one")
    assert (code, "has a name that is no UTF-8" in document["error"]) == (2, True)


def test_the_version_is_a_document_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "version", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"version": version("crossdock")}


@pytest.mark.parametrize(
    ("command", "document"),
    [
        (project_commands.import_, results.ImportResult),
        (project_commands.import_git, results.ImportResult),
        (project_commands.import_github, results.GitHubImportResult),
        (project_commands.export, results.ExportResult),
        (project_commands.status, results.StatusResult),
        (project_commands.people, people.PeopleResult),
        (project_commands.verify, results.VerificationResult),
        (project_commands.push, push.PushResult),
        (job_commands.jobs, results.JobList),
        (job_commands.cancel, results.JobResult),
        (job_commands.retry, results.JobResult),
        (job_commands.wait, results.JobResult),
        (job_commands.retry_failed, results.BulkRetryResult),
        (schedule_commands.list_schedules, schedules.SchedulesResult),
        (schedule_commands.create_schedule, schedules.SchedulesResult),
        (schedule_commands.run, schedules.RunResult),
        (schedule_commands.runs, schedules.RunsResult),
        (schedule_commands.show, schedules.RunResult),
        (schedule_commands.cancel, schedules.RunResult),
        (schedule_commands.pause, schedules.SchedulesResult),
        (schedule_commands.resume, schedules.SchedulesResult),
        (schedule_commands.delete_schedule, schedules.DoneResult),
        (destination_commands.list_, destinations.DestinationList),
        (destination_commands.create_gitlab, destinations.DestinationResult),
        (destination_commands.create_crossdock, destinations.DestinationResult),
        (destination_commands.create_s3, destinations.DestinationResult),
        (destination_commands.try_, destinations.DestinationTest),
        (destination_commands.delete, destinations.DestinationResult),
        (destination_commands.import_, results.JobResult),
        (destination_commands.export, results.JobResult),
        (version_command, results.VersionResult),
        (admin_commands.create_user, admin_results.UserResult),
        (admin_commands.create_token, admin_results.TokenResult),
        (admin_commands.create_group, admin_results.GroupResult),
        (admin_commands.add_member, admin_results.MemberResult),
        (admin_commands.list_users, admin_results.UserList),
        (admin_commands.list_, admin_results.DeadLetterList),
        (admin_commands.replay, admin_results.ReplayResult),
    ],
)
def test_the_help_of_a_command_names_the_keys_of_its_document(
    command: object, document: type[msgspec.Struct]
) -> None:
    told = re.search(
        r"Keys with --json: (.*?)\.(?: With --(?:job|watch) .*)?$", " ".join((command.__doc__ or "").split())
    )
    assert told
    keys = re.sub(r"\([^)]*\)", "", told[1]).replace(" ", "").split(",")
    assert tuple(keys) == document.__struct_encode_fields__
