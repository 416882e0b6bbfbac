from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from shared.errors import ObjectMissing
from shared.logs import describe, outline

_PROGRAM = """
import structlog
from shared.errors import CrossdockError
from shared.logs import configure

configure({format!r}, "info")


def fail(password):
    raise ValueError("refused: " + password)


def wrap(password):
    try:
        fail(password)
    except ValueError as error:
        group = ExceptionGroup("for " + password, [error, KeyError(password)])
        raise CrossdockError("with " + password) from group


try:
    wrap("hunter" + "2")
except CrossdockError:
    structlog.get_logger().exception("failed", job_id=7)
"""


_LOOP_ERRORS = """
import asyncio, gc
from services.process.start import run
from shared.logs import configure

configure("json", "info")


async def fail():
    raise ValueError("hunter" + "2")


async def main():
    loop = asyncio.get_running_loop()
    loop.call_soon(int, "hunter" + "2")
    await asyncio.wait([loop.create_task(fail())])
    gc.collect()


run(main())
"""


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_traceback_is_logged_without_texts_and_without_the_values_of_local_variables(
    log_format: str,
) -> None:
    program = _PROGRAM.format(format=log_format)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    for told in ("CrossdockError", "ExceptionGroup", "ValueError", "KeyError", "<string>:10 fail", "job_id"):
        assert told in done.stderr
    assert "hunter" + "2" not in done.stderr


def test_a_chain_of_errors_is_logged_as_far_as_ten_of_them_and_fifty_frames_of_each() -> None:
    def fail(depth: int) -> None:
        if depth:
            fail(depth - 1)
        raise ValueError

    error: BaseException = ValueError()
    for _ in range(20):
        try:
            fail(100)
        except ValueError as raised:
            raised.__cause__ = error
            error = raised
    found = outline(error)
    assert len(found) == 10
    assert {len(each.frames) for each in found} == {50}


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ObjectMissing("a/key"), f"ObjectMissing: {ObjectMissing('a/key')}"),
        (OSError(2, "No such file", "/a/secret"), "FileNotFoundError: No such file"),
        (ValueError("a secret"), "ValueError at None"),
    ],
)
def test_an_error_is_described_by_its_text_only_where_that_is_ours(error: Exception, told: str) -> None:
    assert describe(error) == told


def test_libraries_log_nothing_below_info() -> None:
    program = """
import logging, structlog
from shared.logs import configure

configure("json", "debug")
logging.getLogger("botocore.auth").debug("hunter2")
logging.getLogger("botocore.auth").info("of a library")
logging.getLogger("shared.broker").debug("of ours")
structlog.get_logger("services.api").debug("of ours, too")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "hunter2" not in done.stderr
    for told in ("of a library", "of ours", "of ours, too"):
        assert told in done.stderr


def test_an_error_that_only_the_event_loop_has_seen_is_logged_by_its_class_and_place() -> None:
    done = subprocess.run([sys.executable, "-c", _LOOP_ERRORS], capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(each["event"], each["kind"]) for each in lines] == [("loop_error", "ValueError")] * 2
    assert lines[1]["place"] == "<string>:10"
    assert "hunter" not in done.stderr


def test_what_is_logged_goes_on_where_no_line_can_be_written() -> None:
    program = """
import sys, structlog
from shared.logs import configure

configure("json", "info")
structlog.get_logger().info("to a full disk")
sys.stderr.close()
structlog.get_logger().warning("to nobody")
print("went on")
"""
    words = [sys.executable, "-c", program]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=full, text=True, check=False)
    assert done.stdout == "went on\n"


def _logged(log_format: str, *, terminal: bool) -> str:
    reading, writing = pty.openpty() if terminal else os.pipe()
    program = _PROGRAM.format(format=log_format)
    with os.fdopen(writing, "wb", buffering=0) as stderr:
        subprocess.run([sys.executable, "-c", program], stderr=stderr, check=True)
    logged = b""
    with suppress(OSError):  # a terminal without a writer is an error to its reader
        while piece := os.read(reading, 65536):
            logged += piece
    os.close(reading)
    return logged.decode()


@pytest.mark.parametrize(
    ("log_format", "terminal", "is_json"),
    [("auto", True, False), ("auto", False, True), ("json", True, True), ("text", False, False)],
)
def test_logs_are_text_on_a_terminal_and_json_elsewhere_unless_told(
    log_format: str, *, terminal: bool, is_json: bool
) -> None:
    first = _logged(log_format, terminal=terminal).splitlines()[0]
    assert first.startswith("{") is is_json
    assert "failed" in first
