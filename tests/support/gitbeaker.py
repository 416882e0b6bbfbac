"""@gitbeaker/rest, the client of GitLab's API for JavaScript, run by Node as it is published."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.npm import install
from tests.support.prerequisites import program
from tests.support.waiting import eventually

VERSION = "43.8.0"
EXPORTING = {"queued", "started", "regeneration_in_progress"}

_SCRIPT = Path(__file__).with_suffix(".mjs")
# It asks for any newer core, so that each of its packages is named.
_PACKAGES = [f"@gitbeaker/{name}@{VERSION}" for name in ("rest", "core", "requester-utils")]


class GitbeakerError(Exception):
    """An answer that the client throws: its status, and the text it found in there."""

    def __init__(self, *, status: int, description: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.description = description


class Node:
    """A process of Node that calls the client, line by line: to start one for each call takes a second."""

    def __init__(self, home: Path, resources: ExitStack) -> None:
        self._complaints = home / "stderr"
        self._process = resources.enter_context(
            subprocess.Popen(
                [program("node"), str(home / _SCRIPT.name)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=resources.enter_context(self._complaints.open("wb")),
            )
        )
        resources.callback(self._process.kill)

    def ask(self, asked: Mapping[str, object]) -> Any:
        """Give the answer to a call; nothing may have been complained of."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert self._complaints.read_text() == ""
        return json.loads(answer)


@dataclass(frozen=True, slots=True)
class Gitbeaker:
    """Calls by a client that is made with ``options``, as ``gitbeaker("Projects.show", 1)``."""

    node: Node
    options: Mapping[str, str]

    def __call__(self, call: str, *words: object, into: Path | None = None) -> Any:
        """Give what the method gives; a download goes ``into`` a file. Raises GitbeakerError."""
        resource, method = call.split(".")
        asked = {"client": self.options, "resource": resource, "method": method, "words": words}
        answer = self.node.ask(asked if into is None else {**asked, "into": str(into)})
        if "error" in answer:
            raise GitbeakerError(**answer["error"])
        return answer.get("value")

    def schedule(self, source: Path, path: str, **options: object) -> int:
        """Import an archive; give the id of its project."""
        file = {"content": blob(source), "filename": source.name}
        scheduled = self("ProjectImportExports.import", file, path, options)
        assert scheduled["import_status"] == "scheduled"
        return int(scheduled["id"])

    def ended(self, number: int) -> Any:
        """Follow an import to its end; give its status."""
        status = eventually(
            lambda: self("ProjectImportExports.showImportStatus", number),
            lambda status: status["import_status"] in {"finished", "failed"},
        )
        assert status["import_status"] == "finished", status
        return status

    def imported(self, source: Path, path: str, **options: object) -> int:
        """Import an archive to the end; give the id of its project."""
        number = self.schedule(source, path, **options)
        self.ended(number)
        return number

    def exported(self, number: int, *words: object) -> Any:
        """Export a project to the end; give the status of that."""
        answer = self("ProjectImportExports.scheduleExport", number, *words)
        assert answer == {"message": "202 Accepted"}
        status = eventually(
            lambda: self("ProjectImportExports.showExportStatus", number),
            lambda status: status["export_status"] not in EXPORTING,
        )
        assert status["export_status"] == "finished", status
        return status

    def downloaded(self, number: int, target: Path) -> Path:
        """Save a finished export."""
        assert self("ProjectImportExports.download", number, into=target) == "Blob"
        return target

    def refused(self, call: str, *words: object) -> tuple[int, str]:
        """Give the status of what must fail, and the reason that the client shows."""
        with pytest.raises(GitbeakerError) as caught:
            self(call, *words)
        assert str(caught.value) == caught.value.description
        return caught.value.status, caught.value.description


def blob(file: Path) -> dict[str, str]:
    """Stand for a Blob of the file, as an argument or in one."""
    return {"$blob": str(file)}


def gitbeaker_installed(temporary: Path) -> Path:
    """Install the client, once for a test run, whose temporary folder is given.

    Skips the test where there is no Node, or no registry can be reached.
    """
    folder = temporary / "gitbeaker"
    if not (folder / _SCRIPT.name).exists():
        install(_PACKAGES, folder)
        shutil.copy(_SCRIPT, folder)  # a module is looked for beside the script that asks for it
    return folder
