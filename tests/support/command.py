"""The command ``crossdock`` within a test's process, beside a server of the test."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import pytest

from services.cli.__main__ import main
from tests.support.gitlab_stub import Script


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run a command and give its exit code."""
    monkeypatch.setattr(sys, "argv", ["crossdock", *arguments])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    raise AssertionError("every command ends with an exit code")


async def run_beside(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run a command in a thread with a loop of its own, while ours serves."""
    return await asyncio.to_thread(run, monkeypatch, *arguments)


async def documented(
    script: Script, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, Any]:
    """Give the exit code and the one document that a command prints."""
    async with script.server() as url:
        code = await run_beside(monkeypatch, *arguments, "--json", "--url", url, "--token", "secret")
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    return code, json.loads(out)
