"""What a machine may lack: tests that need it are skipped, and the end of the run says which."""

from __future__ import annotations

import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from typing import NoReturn

import pytest

_REASON = "missing on this machine: "
_PACKAGES = {
    "GNU tar": "tar", "age": "age", "chromium-headless-shell": "chromium-headless-shell",
    "curl": "curl", "git": "git", "node": "nodejs", "npm": "npm", "promtool": "prometheus",
    "rabbitmq-server": "rabbitmq-server",
}  # fmt: skip


def missing(what: str) -> NoReturn:
    """Skip the test, for want of what this machine does not have."""
    pytest.skip(_reason(what))


def program(*names: str) -> str:
    """Give the path of a program, of several that will do the first that is there, or skip the test."""
    return next(filter(None, map(shutil.which, names)), None) or missing(names[0])


def needs(name: str) -> pytest.MarkDecorator:
    """Mark a test that needs a program."""
    found = _has_gnu_tar() if name == "GNU tar" else shutil.which(name)
    return pytest.mark.skipif(not found, reason=_reason(name))


@cache
def _has_gnu_tar() -> bool:
    found = shutil.which("tar")
    return bool(found) and "GNU tar" in subprocess.check_output([str(found), "--version"], text=True)


def gnu_tar() -> str:
    """Give the path of GNU's tar, or skip the test."""
    return program("tar") if _has_gnu_tar() else missing("GNU tar")


def _reason(what: str) -> str:
    return f"{_REASON}{what}"


def missing_in(reports: Iterable[pytest.TestReport]) -> Mapping[str, list[str]]:
    """What was missing, and the tests that were skipped for want of it."""
    found = defaultdict(list)
    for report in reports:
        if isinstance(report.longrepr, tuple):
            _, is_ours, what = report.longrepr[2].partition(_REASON)
            if is_ours:
                found[what].append(report.nodeid)
    return found


def summary_line(what: str, tests: list[str]) -> str:
    """One thing that is missing, how to get it, and the files whose tests want it."""
    files = ", ".join(sorted({test.partition("::")[0] for test in tests}))
    hint = f" (apt-get install {_PACKAGES[what]})" if what in _PACKAGES else ""
    return f"{what}{hint}: {len(tests)} tests not run, of {files}"
