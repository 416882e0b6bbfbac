from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.command import run_beside
from tests.support.gitlab_stub import Script, answer

FORGE = {"id": 7, "name": "forge", "kind": "gitlab", "url": "https://gitlab.test"}
FETCHING = {
    "id": 1, "name": "fetch", "destination_id": None, "source_id": 7, "into": "vault", "cron": "@daily",
    "time_zone": "UTC", "paused": False, "next_run_at": "2026-11-29T00:00:00Z",
}  # fmt: skip
CREATE = ("create", "fetch", "--cron", "@daily", "--all")


async def ran(script: Script, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    async with script.server() as url:
        return await run_beside(monkeypatch, "schedules", *arguments, "--url", url, "--token", "secret")


async def test_a_schedule_that_fetches_names_its_source_and_its_group(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = Script(answer([FORGE]), answer(FETCHING, 201))
    assert await ran(script, monkeypatch, *CREATE, "--from", "forge", "--into", "vault") == 0
    sent: dict[str, Any] = json.loads(script.asked[1].body)
    assert (sent["source_id"], sent["into"], "destination_id" in sent) == (7, "vault", False)
    assert "fetch" in capsys.readouterr().out


async def test_a_schedule_is_listed_with_its_next_run_or_as_paused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    paused = FETCHING | {"paused": True, "next_run_at": None}
    assert await ran(Script(answer([FETCHING, paused])), monkeypatch, "list") == 0
    due = [line.rpartition("  ")[2] for line in capsys.readouterr().out.splitlines()]
    assert due == ["next run", "2026-11-29 00:00:00Z", "paused"]


async def test_a_schedule_that_sends_names_its_destination(monkeypatch: pytest.MonkeyPatch) -> None:
    sending = FETCHING | {"destination_id": 7, "source_id": None, "into": None}
    script = Script(answer([FORGE]), answer(sending, 201))
    assert await ran(script, monkeypatch, *CREATE, "--to", "forge") == 0
    sent: dict[str, Any] = json.loads(script.asked[1].body)
    assert (sent["destination_id"], "source_id" in sent, "into" in sent) == (7, False, False)


async def test_schedules_that_fetch_are_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await ran(Script(answer([FETCHING])), monkeypatch, "list") == 0
    assert "fetch" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [(), ("--to", "a", "--from", "b", "--into", "c"), ("--from", "a"), ("--to", "a", "--into", "c")],
)
async def test_what_does_not_say_whence_and_where_to_is_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    script = Script()
    assert await ran(script, monkeypatch, *CREATE, *words) == 2
    assert script.asked == []
