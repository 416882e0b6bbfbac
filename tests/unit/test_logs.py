from __future__ import annotations

import json
import subprocess
import sys

import pytest

_PROGRAM = """
import structlog
from shared.logs import configure

configure({format!r}, "info")


def fail(password):
    raise ValueError("it went wrong")


try:
    fail("hunter" + "2")
except ValueError:
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
def test_a_traceback_is_logged_without_the_values_of_local_variables(log_format: str) -> None:
    program = _PROGRAM.format(format=log_format)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "it went wrong" in done.stderr
    assert "job_id" in done.stderr
    assert "hunter" + "2" not in done.stderr


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
