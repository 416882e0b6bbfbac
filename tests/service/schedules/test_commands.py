"""``crossdock destinations`` and ``crossdock schedules``, against a running server."""

from __future__ import annotations

import io
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from services.cli.destinations import read_keys
from services.cli.errors import UsageError
from tests.support.command import run_beside
from tests.support.imported import imported
from tests.support.projects import project
from tests.support.vault import Vault

KEY_OF_AGE = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"

Command = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
def command(vault: Vault, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command, and give its exit code and what it prints as JSON."""

    async def call(*arguments: str) -> tuple[int, Any]:
        server = ("--json", "--url", str(vault.api.url), "--token", vault.api.tokens["ann"])
        capsys.readouterr()
        code = await run_beside(monkeypatch, *arguments, *server)
        lines = capsys.readouterr().out.splitlines()
        return code, json.loads(next(line for line in reversed(lines) if line.startswith("{")))

    return call


async def test_a_destination_is_made_tried_listed_and_deleted(
    vault: Vault, command: Command, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    file.write_text(
        f"[me]\naws_access_key_id = {vault.server.access_key}\n"
        f"aws_secret_access_key = {vault.server.secret_key}\n"
    )
    code, made = await command(
        "destinations", "create-s3", "cellar", vault.server.bucket, "--prefix", f"{vault.prefix}/more",
        "--endpoint", vault.server.endpoint, "--credentials", str(file), "--recipient", KEY_OF_AGE,
    )  # fmt: skip
    assert (code, made["destination"]["prefix"]) == (0, f"{vault.prefix}/more/")
    shown = (await vault.call("GET", f"/destinations/{made['destination']['id']}")).body
    assert shown["recipients"] == [KEY_OF_AGE]
    assert (await command("destinations", "test", "cellar"))[0] == 0
    listed = (await command("destinations", "list"))[1]["destinations"]
    assert [each["name"] for each in listed] == ["vault", "cellar"]
    assert vault.server.secret_key not in str(listed)
    assert (await command("destinations", "delete", "cellar"))[0] == 0
    assert (await command("destinations", "test", "cellar"))[0] == 2


async def test_a_schedule_is_made_paused_run_shown_and_deleted(vault: Vault, command: Command) -> None:
    await imported(vault.api, vault.ann, project(), path="one")
    code, made = await command(
        "schedules", "create", "nightly", "--to", "vault", "--cron", "0 2 * * *", "--time-zone",
        "Europe/Zurich", "--project", "ann/one", "--project", "no/such", "--keep-daily", "7",
        "--excluded-relations", "uploads,issues",
    )  # fmt: skip
    assert (code, made["schedules"][0]["time_zone"]) == (0, "Europe/Zurich")
    number = made["schedules"][0]["id"]
    shown = (await vault.call("GET", f"/schedules/{number}")).body
    assert (shown["projects"], shown["retention"]["daily"]) == (["ann/one", "no/such"], 7)
    assert shown["excluded_relations"] == ["issues", "uploads"]
    for verb, is_paused in (("pause", True), ("resume", False)):
        assert (await command("schedules", verb, "nightly"))[1]["schedules"][0]["paused"] is is_paused

    code, started = await command("schedules", "run", "nightly")
    assert (code, started["run"]["state"]) == (0, "queued")
    assert (await command("schedules", "run", "nightly"))[0] == 3  # one is under way
    await vault.finish(started["run"]["id"])
    (listed,) = (await command("schedules", "runs", "nightly"))[1]["runs"]
    assert (listed["state"], listed["projects"]["done"]) == ("partial", 1)
    told = (await command("schedules", "show", str(listed["id"]), "--failed"))[1]["projects"]
    assert [each["path_with_namespace"] for each in told] == ["no/such"]

    again = (await command("schedules", "run", "nightly"))[1]["run"]["id"]
    code, canceled = await command("schedules", "cancel", str(again))
    assert (code, canceled["run"]["canceled_by"]["username"]) == (0, "ann")
    assert (await vault.finish(again)).state.value == "canceled"
    assert (await command("schedules", "delete", "nightly"))[0] == 0
    assert (await command("schedules", "list"))[1] == {"schedules": []}


@pytest.mark.parametrize(("projects", "expected"), [(["ann/one"], 0), (["ann/one", "no/such"], 1)])
async def test_who_waits_for_a_run_learns_how_it_ended(
    vault: Vault, command: Command, projects: list[str], expected: int
) -> None:
    await imported(vault.api, vault.ann, project(), path="one")
    await vault.new_schedule(projects=projects)
    async with vault.at_work():
        code, told = await command("schedules", "run", "nightly", "--wait")
    assert code == expected
    assert told["run"]["state"] == ("finished", "partial")[expected]
    assert len(told["projects"]) == expected


@pytest.mark.parametrize(
    "text",
    [
        "[default]\naws_access_key_id = id\naws_secret_access_key = s%cret\n",
        "aws_access_key_id=id\naws_secret_access_key=s%cret",
    ],
)
def test_keys_come_from_a_file_from_stdin_or_from_the_environment(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {"access_key_id": "id", "secret_access_key": "s%cret"}
    file = tmp_path / "credentials"
    file.write_text(text)
    assert read_keys(file) == keys
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert read_keys(Path("-")) == keys
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s%cret")
    assert read_keys(None) == keys


@pytest.mark.parametrize("text", ["", "[default]\n", "nothing", "[default]\naws_access_key_id = id\n"])
def test_a_file_without_keys_is_refused(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    file = tmp_path / "credentials"
    file.write_text(text)
    with pytest.raises(UsageError):
        read_keys(file)
    with pytest.raises(UsageError):
        read_keys(None)
