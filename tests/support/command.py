"""The command ``crossdock`` within a test's process, beside a server of the test."""

from __future__ import annotations

import asyncio
import sys

import pytest

from services.cli.__main__ import main


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
