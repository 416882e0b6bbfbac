from __future__ import annotations

import json

import pytest

from services.cli.errors import UsageError
from services.cli.remote_source import remote_source
from tests.support.command import run_beside
from tests.support.gitlab_stub import Script, crossdock, imported


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ACCESS_KEY_ID", "id"), ("SECRET_ACCESS_KEY", "secret"), ("REGION", "eu-west-1")):
        monkeypatch.setenv(f"AWS_{name}", value)


async def test_what_is_at_an_address_is_fetched_by_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(crossdock(), imported("scheduled"))
    address = "https://files.example.com/a.tar.gz?sig=x"
    async with script.server() as url:
        arguments = (
            "import",
            address,
            "--path",
            "a/b",
            "--override",
            "description=d",
            "--overwrite",
            "--no-wait",
        )
        assert await run_beside(monkeypatch, *arguments, "--url", url, "--token", "t") == 0
    assert script.asked[1].target == "/api/v4/projects/remote-import"
    assert json.loads(script.asked[1].body) == {
        "url": address, "path": "b", "namespace": "a", "overwrite": "true",
        "override_params": {"description": "d"},
    }  # fmt: skip
    assert "Idempotency-Key" in script.asked[1].headers


@pytest.mark.usefixtures("keys")
async def test_what_is_in_a_bucket_is_fetched_by_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(crossdock(), imported("scheduled"))
    async with script.server() as url:
        arguments = (
            "import",
            "s3://b/folder/a.tar.gz",
            "--path",
            "p",
            "--no-wait",
            "--url",
            url,
            "--token",
            "t",
        )
        assert await run_beside(monkeypatch, *arguments) == 0
    assert script.asked[1].target == "/api/v4/projects/remote-import-s3"
    assert json.loads(script.asked[1].body) == {
        "bucket_name": "b", "file_key": "folder/a.tar.gz", "access_key_id": "id", "region": "eu-west-1",
        "secret_access_key": "secret", "path": "p",
    }  # fmt: skip


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("archive", ["s3://", "s3://b", "s3://b/", "s3://b/k?x=y", "s3://u@b/k"])
def test_an_address_that_names_no_object_is_refused(archive: str) -> None:
    with pytest.raises(UsageError, match="s3://BUCKET/KEY"):
        remote_source(archive)


@pytest.mark.usefixtures("keys")
def test_a_bucket_without_keys_is_refused_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(UsageError, match="AWS_SECRET_ACCESS_KEY"):
        remote_source("s3://b/k")


@pytest.mark.parametrize("archive", ["a.tar.gz", "-", "/s3/a.gz", "httpsa.gz"])
def test_anything_else_is_a_file(archive: str) -> None:
    assert remote_source(archive) is None
