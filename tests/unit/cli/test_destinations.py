from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import documented, run_beside
from tests.support.gitlab_stub import Script, answer

GITLAB = {
    "id": 7, "user_id": 1, "name": "forge", "kind": "gitlab", "url": "https://gitlab.test",
    "namespace": "vault", "overwrite": False, "created_at": "2026-11-28T00:00:00Z",
    "updated_at": "2026-11-28T00:00:00Z",
}  # fmt: skip
BUCKET = {"id": 8, "name": "cellar", "kind": "s3", "bucket": "b", "endpoint": None, "prefix": "p/"}
JOB = {
    "id": 9, "kind": "upload", "state": "queued", "project": {"id": 1, "path_with_namespace": "ann/one"},
    "correlation_id": "c", "attempt": 0, "max_attempts": 5, "created_at": "2026-11-28T00:00:00Z",
    "progress": {},
}  # fmt: skip
HERE = "/api/crossdock/v1/destinations"


async def ran(script: Script, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    async with script.server() as url:
        words = ("destinations", *arguments, "--url", url, "--token", "secret")
        return await run_beside(monkeypatch, *words)


def sent(script: Script, number: int = 0) -> Any:
    return json.loads(script.asked[number].body)


async def test_destinations_are_listed_with_their_places(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await ran(Script(answer([GITLAB, BUCKET])), monkeypatch, "list") == 0
    told = capsys.readouterr().out
    for text in ("forge", "https://gitlab.test (vault)", "cellar", "s3://b/p/"):
        assert text in told


async def test_a_gitlab_is_created_with_a_token_of_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("glpat-hidden\n")
    script = Script(answer(GITLAB, 201))
    words = ("create-gitlab", "forge", "https://gitlab.test", "--namespace", "vault")
    assert await ran(script, monkeypatch, *words, "--token-of", str(tmp_path / "token")) == 0
    assert sent(script) == {
        "kind": "gitlab", "name": "forge", "url": "https://gitlab.test", "namespace": "vault",
        "overwrite": False, "token": "glpat-hidden",
    }  # fmt: skip
    shown = capsys.readouterr()
    assert "forge (id 7): gitlab at https://gitlab.test (vault)" in shown.out
    assert "glpat-hidden" not in shown.out + shown.err


async def test_a_token_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSDOCK_DESTINATION_TOKEN", "glpat-hidden")
    script = Script(answer(GITLAB | {"kind": "crossdock"}, 201))
    assert await ran(script, monkeypatch, "create-crossdock", "forge", "https://x.test", "--overwrite") == 0
    assert (sent(script)["kind"], sent(script)["token"]) == ("crossdock", "glpat-hidden")
    assert sent(script)["overwrite"] is True


async def test_a_bucket_is_created_with_the_keys_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    script = Script(answer(BUCKET, 201))
    assert await ran(script, monkeypatch, "create-s3", "cellar", "b", "--prefix", "p") == 0
    assert sent(script) == {
        "kind": "s3", "name": "cellar", "bucket": "b", "prefix": "p", "access_key_id": "key",
        "secret_access_key": "secret",
    }  # fmt: skip


@pytest.mark.parametrize("words", [("create-gitlab", "a", "https://x.test"), ("create-s3", "a", "b")])
async def test_without_a_token_or_keys_nothing_is_sent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    for name in ("CROSSDOCK_DESTINATION_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    script = Script()
    assert await ran(script, monkeypatch, *words) == 2
    assert script.asked == []
    assert "set " in capsys.readouterr().err


async def test_a_test_says_who_the_token_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {
        "version": "18.9.0", "username": "root", "is_admin": True, "token": "vault", "scopes": ["api"],
        "expires_at": "2027-01-01",
    }  # fmt: skip
    script = Script(answer([GITLAB]), answer(told))
    assert await ran(script, monkeypatch, "test", "forge") == 0
    assert script.asked[1].target == f"{HERE}/7/test"
    told_to_user = "forge works: the token is that of root with api, until 2027-01-01"
    assert told_to_user in capsys.readouterr().out


async def test_a_bucket_that_works_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await ran(Script(answer([BUCKET]), answer(None, 204)), monkeypatch, "test", "8") == 0
    assert "cellar works" in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["import", "export"])
async def test_a_project_is_moved_by_a_job(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    script = Script(answer([GITLAB]), answer(JOB, 201))
    words = ("destinations", verb, "forge", "acme/one", "--namespace", "vault")
    code, document = await documented(script, monkeypatch, capsys, *words)
    assert (code, document["job"]["id"]) == (0, 9)
    assert script.asked[1].target == f"{HERE}/7/{verb}"
    assert (sent(script, 1)["project"], sent(script, 1)["namespace"]) == ("acme/one", "vault")


async def test_an_unknown_destination_is_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await ran(Script(answer([GITLAB])), monkeypatch, "delete", "none") == 2
    assert "there is no destination 'none'" in capsys.readouterr().err
