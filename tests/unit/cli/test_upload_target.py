from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.__main__ import app
from services.cli.client import UploadTarget
from services.cli.errors import JobFailed, UsageError
from services.cli.exports import ExportOptions
from services.cli.results import ExportResult
from services.cli.upload_target import PartsUnsupported, export_to, parts_target, upload_target
from tests.support.gitlab_stub import Script, answer, crossdock, exported, job

SECRET = "https://store.test/one?X-Amz-Signature=abc"
OPTIONS = ExportOptions(description=None, within=timedelta(minutes=1))


def upload(state: str, *, parent: int = 5) -> dict[str, object]:
    archive = {"size": 1000, "sha256": "ab" if state == "finished" else None}
    return job(state, 6) | {"kind": "upload", "parent_id": parent, "archive": archive}


async def test_a_gitlab_sends_the_archive_and_tells_no_more() -> None:
    script = Script(answer({"version": "18.9.0"}), answer(status=202), exported("finished"))
    async with script.client() as client:
        made = await export_to(client, "group/one", UploadTarget(SECRET, "POST"), OPTIONS)
    assert json.loads(script.asked[1].body) == {"upload": {"url": SECRET, "http_method": "POST"}}
    assert (made.state, made.sha256) == ("finished", None)


async def test_the_upload_of_a_crossdock_is_followed_to_its_end() -> None:
    script = Script(
        crossdock(), answer(status=202, X_Crossdock_Job="5"), exported("finished"), answer(job("finished")),
        answer([upload("queued", parent=4), upload("queued")]), answer(upload("running")),
        answer(upload("finished")),
    )  # fmt: skip
    async with script.client() as client:
        made = await export_to(client, 7, UploadTarget(SECRET, "PUT"), OPTIONS)
    assert (made.job, made.bytes, made.sha256, made.file) == (5, 1000, "ab", None)


async def test_an_upload_that_fails_is_told_with_its_code() -> None:
    script = Script(
        crossdock(), answer(status=202, X_Crossdock_Job="5"), exported("finished"), answer(job("finished")),
        answer([upload("running")]), answer(upload("failed")),
    )  # fmt: skip
    async with script.client() as client:
        with pytest.raises(JobFailed, match="job 6 failed: not a gzip file") as failed:
            await export_to(client, 7, UploadTarget(SECRET, "PUT"), OPTIONS)
    document = failed.value.document
    assert isinstance(document, ExportResult)
    assert (document.state, document.error_code) == ("failed", "archive_invalid")


def test_the_address_can_be_in_a_file_and_is_shown_nowhere(tmp_path: Path) -> None:
    (tmp_path / "address").write_text(f"{SECRET}\n")
    target = upload_target(f"@{tmp_path / 'address'}", "PUT")
    assert target.url == SECRET
    assert "Signature" not in repr(target)


@pytest.mark.parametrize("given", ["ftp://a/b", "", "@/not/there"])
def test_what_is_no_address_is_refused_before_the_export(given: str) -> None:
    with pytest.raises(UsageError):
        upload_target(given, "PUT")


@pytest.mark.parametrize(
    "options", [(), ("-o", "one.tar.gz", "--upload-url", SECRET), ("-o", "a", "--upload-parts", "@p")]
)
def test_an_archive_goes_to_one_place(options: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, ["export", "7", "--token", "t", *options])
    assert "say where the archive goes" in str(done.exception)


PARTS = {"part_size": 5242880, "part_urls": [SECRET], "complete_url": SECRET}


async def test_the_addresses_of_parts_go_to_a_crossdock_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "parts.json").write_text(json.dumps(PARTS))
    target = parts_target(f"@{tmp_path / 'parts.json'}")
    script = Script(
        crossdock(), crossdock(), answer(status=202, X_Crossdock_Job="5"), exported("finished"),
        answer(job("finished")),
        answer([upload("finished")]), answer(upload("finished")),
    )  # fmt: skip
    async with script.client() as client:
        await export_to(client, 7, target, OPTIONS)
    (sent,) = [json.loads(asked.body) for asked in script.asked if asked.method == "POST"]
    assert sent == {"upload": {"parts": PARTS}}
    assert "Signature" not in repr(target)


async def test_parts_are_refused_before_the_export_where_a_gitlab_would_pass_over_them() -> None:
    script = Script(answer({"version": "18.9.0"}))
    async with script.client() as client:
        with pytest.raises(PartsUnsupported):
            await export_to(client, 7, UploadTarget("", "PUT", PARTS), OPTIONS)
    assert len(script.asked) == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [("[]", "has no JSON object"), ("{", "has no JSON object"), (" " * 600_000, "is over 524288 bytes")],
)
def test_a_file_without_addresses_of_parts_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "parts.json").write_text(text)
    with pytest.raises(UsageError, match=problem):
        parts_target(f"@{tmp_path / 'parts.json'}")


def test_addresses_of_parts_come_in_a_file() -> None:
    with pytest.raises(UsageError, match="takes @FILE"):
        parts_target(json.dumps(PARTS))
