"""Packages of the npm registry, as tests need them; where there is none to be had, the test is skipped."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.support.prerequisites import missing, program

_RETRIES = "--fetch-retries=1 --fetch-retry-mintimeout=1000 --fetch-timeout=30000"
_OPTIONS = f"--no-save --no-audit --no-fund --ignore-scripts {_RETRIES}"
_UNREACHABLE = re.compile(
    r"^npm (?:error|ERR!) code "
    r"(?:ENOTFOUND|EAI_AGAIN|ENETUNREACH|EHOSTUNREACH|ECONNREFUSED|ECONNRESET|\w*TIMEDOUT|\w*TIMEOUT)$",
    re.MULTILINE,
)


def install(packages: Sequence[str], folder: Path) -> None:
    """Install packages, each with its version, below ``folder``."""
    _run(["npm", "install", "--prefix", str(folder), *_OPTIONS.split(), *packages], packages[0])


def pack(package: str, folder: Path) -> Path:
    """Fetch a package as it is published, an archive, into an empty folder; nothing is installed."""
    words = ["npm", "pack", package, "--pack-destination", str(folder), "--ignore-scripts"]
    _run([*words, *_RETRIES.split()], package)
    (packed,) = folder.iterdir()
    return packed


def _run(words: Sequence[str], package: str) -> None:
    for command in ("node", "npm"):
        program(command)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode and _UNREACHABLE.search(done.stderr):
        missing(f"a registry that can be reached for {package}")
    assert done.returncode == 0, done.stderr
