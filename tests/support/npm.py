"""Packages of the npm registry, as tests need them; where there is none to be had, the test is skipped."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.support.prerequisites import missing, program

_OPTIONS = (
    "--no-save --no-audit --no-fund --ignore-scripts "
    "--fetch-retries=1 --fetch-retry-mintimeout=1000 --fetch-timeout=30000"
)
_UNREACHABLE = re.compile(
    r"^npm (?:error|ERR!) code "
    r"(?:ENOTFOUND|EAI_AGAIN|ENETUNREACH|EHOSTUNREACH|ECONNREFUSED|ECONNRESET|\w*TIMEDOUT|\w*TIMEOUT)$",
    re.MULTILINE,
)


def install(packages: Sequence[str], folder: Path) -> None:
    """Install packages, each with its version, below ``folder``."""
    for command in ("node", "npm"):
        program(command)
    words = ["npm", "install", "--prefix", str(folder), *_OPTIONS.split(), *packages]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode and _UNREACHABLE.search(done.stderr):
        missing(f"a registry that can be reached for {packages[0]}")
    assert done.returncode == 0, done.stderr
