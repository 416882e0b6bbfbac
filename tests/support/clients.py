"""Real clients of GitLab's API as their users have them: curl in a shell, and python-gitlab's own tests."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tests.support.prerequisites import missing

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CurlAnswer:
    """How curl ended: its exit code, the last status, body bytes it sent, and what it printed."""

    exit_code: int
    status: int
    uploaded: int
    output: str

    @property
    def body(self) -> Any:
        """The output as JSON."""
        return msgspec.json.decode(self.output)


@dataclass(frozen=True, slots=True)
class Curl:
    """A shell in ``folder`` where ``$U`` is the base URL and ``$T`` a token."""

    url: str
    token: str
    folder: Path

    def __call__(self, command: str, **variables: object) -> CurlAnswer:
        """Run a command as it is typed, with more shell variables."""
        process = self.start(command, **variables)
        output, errors = process.communicate()
        status, uploaded = errors.rsplit("\n", 1)[-1].split()
        return CurlAnswer(process.returncode, int(status), int(uploaded), output)

    def start(self, command: str, **variables: object) -> subprocess.Popen[str]:
        """Start a command, which is a call of curl alone, and leave it running."""
        # What a person reads off the screen stands in .curlrc, so that the command is the documented one.
        (self.folder / ".curlrc").write_text(
            'silent\nshow-error\nmax-time = 60\nwrite-out = "%{stderr}\\n%{http_code} %{size_upload}"\n'
        )
        return subprocess.Popen(
            ["/bin/sh", "-c", f"exec {command}"],
            cwd=self.folder,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.folder),
                "U": self.url,
                "T": self.token,
                **{name: str(value) for name, value in variables.items()},
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def source_distribution(package: str, folder: Path) -> Path:
    """Download the source distribution of the version that is installed here."""
    wanted = f"{package}=={version(package)}"
    _pip("download", "--no-deps", "--no-binary", package, "--dest", str(folder), wanted)
    (found,) = folder.glob("*.tar.gz")
    return found


def installed(requirement: str, folder: Path) -> Path:
    """Install a package and what it needs into a folder that is its own; its commands are in ``bin``."""
    _pip("install", "--target", str(folder), requirement)
    return folder


def _pip(*words: str) -> None:
    """Run pip, and skip the test where no registry can be reached."""
    command = [sys.executable, "-m", "pip", *words, "--quiet", "--retries", "1", "--no-input"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and "connection broken by" in done.stderr:
        missing(f"a registry that can be reached for {words[-1]}")
    assert done.returncode == 0, done.stderr


def extract(archive: Path, name: str, folder: Path) -> Path:
    """Write the one file of the archive whose path ends with ``name`` into the folder."""
    with tarfile.open(archive) as tar:
        (member,) = (member for member in tar if member.name.endswith(f"/{name}"))
        data = tar.extractfile(member)
        assert data is not None
        target = folder / Path(name).name
        target.write_bytes(data.read())
    return target
