"""What a command says that ends before its work does, and what it does not begin."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from services.cli import imports
from services.cli.client import ImportRequest, ScheduledImport, connect
from services.cli.errors import RefusedByServer, ServerUnreachable
from services.cli.imports import PathTaken
from services.cli.terminal import say_if_interrupted
from tests.support.gitlab_stub import Script, answer, imported
from tests.support.ports import free_ports

ONE = ImportRequest("one", "group")


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(imports, "CHUNK", 3)
    archive = tmp_path / "one.tar.gz"
    archive.write_bytes(b"\x1f\x8blarge")
    return archive


async def test_a_large_archive_is_not_sent_to_a_path_that_is_taken(large: Path) -> None:
    script = Script(imported("finished"))
    async with script.client() as client:
        with pytest.raises(
            PathTaken, match=r"^group/one is there already \(its import: finished\)"
        ) as raised:
            await imports.upload(client, large, ONE)
    assert raised.value.exit_code == RefusedByServer.exit_code
    assert [asked.target for asked in script.asked] == ["/api/v4/projects/group%2Fone/import"]


async def test_a_path_that_is_free_is_no_hindrance(large: Path) -> None:
    script = Script(answer(status=404), answer(), imported("scheduled"))
    async with script.client() as client:
        scheduled = await imports.upload(client, large, ONE)
    assert scheduled.status.import_status == "scheduled"


@pytest.mark.parametrize("to", [ImportRequest("one", "group", overwrite=True), ImportRequest("one")])
async def test_who_overwrites_or_names_no_group_is_not_held_up(large: Path, to: ImportRequest) -> None:
    script = Script(answer(), imported("scheduled"))
    async with script.client() as client:
        scheduled = await imports.upload(client, large, to)
    assert scheduled.status.import_status == "scheduled"


async def test_who_no_longer_waits_for_an_import_is_told_that_it_goes_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = asyncio.Event()

    async def hanging(_: object) -> None:
        asked.set()
        await asyncio.Event().wait()

    async with Script(imported("scheduled"), hanging).client() as client:  # type: ignore[arg-type]  # never ends
        scheduled = ScheduledImport(await client.import_status("group/one"), None)
        waiting = asyncio.ensure_future(imports.follow_import(client, scheduled, within=timedelta(minutes=1)))
        await asked.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert "The import goes on: crossdock status group/one\n" in capsys.readouterr().err


def test_nothing_is_said_of_an_interruption_that_was_none(capsys: pytest.CaptureFixture[str]) -> None:
    with say_if_interrupted("It goes on"):
        pass
    with pytest.raises(ValueError, match="other"), say_if_interrupted("It goes on"):
        raise ValueError("other")
    assert capsys.readouterr().err == ""


async def test_why_there_is_no_connection_is_told_in_the_words_of_the_system(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.cli.http.attempts", lambda _: pytest.fail("no attempt is repeated"))
    (port,) = free_ports(1)
    async with connect(f"http://127.0.0.1:{port}", "secret") as client:
        with pytest.raises(ServerUnreachable) as raised:
            await client.import_status("group/one")
    assert str(raised.value) == f"cannot reach http://127.0.0.1:{port}: Connection refused"


async def test_where_the_address_is_the_default_another_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = free_ports(1)
    url = f"http://localhost:{port}"
    monkeypatch.setattr("services.cli.http.DEFAULT_URL", url)
    async with connect(url, "secret") as client:
        with pytest.raises(ServerUnreachable, match=r"; --url or CROSSDOCK_URL name another server$"):
            await client.import_status("group/one")


async def test_a_token_that_is_not_taken_is_named_as_the_reason() -> None:
    async with Script(answer({"message": "401 Unauthorized"}, 401)).client() as client:
        with pytest.raises(RefusedByServer, match="the token is wrong, revoked or expired"):
            await client.import_status("group/one")
