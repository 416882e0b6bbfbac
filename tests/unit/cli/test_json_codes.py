"""The codes of errors that commands print with ``--json``."""

from __future__ import annotations

import errno
import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from services.cli import output, results
from services.cli.retries import ATTEMPTS
from tests.support.command import documented
from tests.support.gitlab_stub import Answer, Script, answer, crossdock, exported, imported, job, problem


@pytest.fixture
def made(tmp_path: Path) -> Path:
    file = tmp_path / "one.tar.gz"
    file.write_bytes(b"\x1f\x8bdata")
    return file


@pytest.mark.parametrize(
    ("told", "code"),
    [(answer(job("failed")), "archive_invalid"), (answer(status=404), None), (answer(status=503), None)],
)
async def test_a_failed_import_at_a_crossdock_gives_the_code_of_the_job(
    told: Answer, code: str | None, made: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    script = Script(crossdock(), imported("scheduled", job=5), imported("failed"), answer(status=404), told)
    ended = await documented(script, monkeypatch, capsys, "import", str(made), "--path", "group/one")
    assert (ended[0], ended[1]["error_code"]) == (1, code)
    assert script.asked[-1].target == "/api/crossdock/v1/jobs/5"


@pytest.mark.parametrize("states", [("failed",), ("started", "none")])
async def test_a_failed_export_at_a_crossdock_gives_the_code_of_the_job(
    states: Sequence[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    looks = [each for state in states for each in (exported(state), answer(job("failed")))]
    begun = answer({}, 202, X_Crossdock_Job="5")
    script = Script(crossdock(), begun, *looks, answer(job("failed")))
    target = str(tmp_path / "out.tar.gz")
    code, document = await documented(script, monkeypatch, capsys, "export", "group/one", "-o", target)
    assert (code, document["error_code"]) == (1, "archive_invalid")


async def test_a_failed_export_at_a_gitlab_has_no_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = str(tmp_path / "out.tar.gz")
    script = Script(answer(), answer(status=202), exported("failed"))
    code, document = await documented(script, monkeypatch, capsys, "export", "group/one", "-o", target)
    assert (code, document["error"]) == (1, "the export of group/one failed")
    assert document["error_code"] is None


async def test_a_job_that_takes_too_long_has_a_code_of_its_own(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("services.cli.polling.FIRST_PAUSE", timedelta(days=1))
    script = Script(answer(), imported("scheduled"), imported("started"))
    words = ("import", str(made), "--path", "group/one", "--timeout", "1")
    code, document = await documented(script, monkeypatch, capsys, *words)
    assert (code, document["state"], document["error_code"]) == (1, "started", "wait_timed_out")


async def test_a_retried_job_that_fails_gives_its_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = Script(answer(job("queued", 6), 201), answer(job("failed", 6)))
    code, document = await documented(script, monkeypatch, capsys, "retry", "5", "--wait")
    assert (code, document["error"], document["error_code"]) == (
        1, "job 6 failed: not a gzip file", "archive_invalid",
    )  # fmt: skip
    assert document["job"]["error_code"] == "archive_invalid"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ((crossdock(), answer([job("failed")])), "archive_invalid"),
        ((crossdock(), answer([])), None),
        ((crossdock(), problem("forbidden", 403)), None),
        ((answer(),), None),  # a GitLab
    ],
)
async def test_the_status_of_a_failed_import_has_the_code_of_the_newest_job(
    more: Sequence[Answer], code: str | None,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    script = Script(imported("failed", import_error="no gzip"), *more, exported("none"))
    ended, document = await documented(script, monkeypatch, capsys, "status", "group/one")
    assert (ended, document["import"]["error"], document["import"]["error_code"]) == (0, "no gzip", code)


async def test_a_problem_gives_the_code_of_the_server(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = Script(problem("job_ended", 409, "the job has ended"))
    assert await documented(script, monkeypatch, capsys, "cancel", "5") == (
        3,
        {"error": "the server refused: the job has ended (HTTP 409)", "error_code": "job_ended"},
    )


async def test_a_server_that_fails_is_unreachable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = Script(*[answer(status=503)] * ATTEMPTS)
    code, document = await documented(script, monkeypatch, capsys, "status", "1")
    assert (code, document["error_code"]) == (4, "unreachable")


def test_an_error_of_the_operating_system_has_the_code_of_a_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def work() -> results.VersionResult:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        output.run(work(), json=True)
    assert json.loads(capsys.readouterr().out)["error_code"] == "command"
