"""A client as users have one: curl for bodies, one connection that is kept for the rest."""

from __future__ import annotations

import http.client
import json
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_IDLE = 10
"""Seconds after which a connection is not used again."""

ENDED = {"finished", "failed", "canceled"}


class Client:
    """Calls one Crossdock.

    It waits ``pause`` seconds before it asks for a status again, or a fiftieth of the time since it began:
    so an end is seen 2 % late at most, and asking costs a long job nothing.
    ``asked`` counts how often it asked for one.
    """

    def __init__(self, url: str, token: str, *, pause: float = 0.01, patience: float = 3600) -> None:
        self.url, self.token = url, token
        self.asked = 0
        self._pause, self._patience = pause, patience
        self._used = 0.0
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=600)

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Make a call below /api and give the body of its answer. Raises RuntimeError for an error."""
        headers = {"PRIVATE-TOKEN": self.token, "Content-Type": "application/json"}
        text = None if body is None else json.dumps(body)
        if time.monotonic() - self._used > _IDLE:
            self._connection.close()  # the server closes it before long; the next request opens another
        self._connection.request(method, f"/api{path}", text, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        self._used = time.monotonic()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:300]!r}")
        return json.loads(content) if content else None

    def upload(self, archive: Path, path: str) -> int:
        """Ask for an import of an archive into a new project, and give that project's number."""
        form = ["-H", "Expect:", "-F", f"path={path}", "-F", f"file=@{archive}"]
        answer = self._curl(*form, f"{self.url}/api/v4/projects/import")
        number: int = json.loads(answer)["id"]
        return number

    def until_imported(self, project: int) -> None:
        """Wait for the end of an import. Raises RuntimeError where it fails, TimeoutError when it lasts."""
        self._until(f"/v4/projects/{project}/import", "import_status")

    def import_archive(self, archive: Path, path: str) -> int:
        """Import an archive to the end."""
        project = self.upload(archive, path)
        self.until_imported(project)
        return project

    def ask_for_export(self, project: int) -> None:
        """Ask for an export."""
        self.call("POST", f"/v4/projects/{project}/export", {})

    def until_exported(self, project: int) -> None:
        """Wait for the end of an export."""
        self._until(f"/v4/projects/{project}/export", "export_status")

    def export(self, project: int) -> None:
        """Export to the end."""
        self.ask_for_export(project)
        self.until_exported(project)

    def download(self, project: int, target: Path = Path("/dev/null")) -> None:
        """Download what was exported, from wherever the answer leads."""
        self._curl("-L", "-o", str(target), f"{self.url}/api/v4/projects/{project}/export/download")

    def _until(self, path: str, key: str) -> None:
        began = time.monotonic()
        while (status := self._status(path))[key] not in ENDED:
            waited = time.monotonic() - began
            if waited > self._patience:
                raise TimeoutError(f"{path} is {status[key]} after {self._patience:.0f} s")
            time.sleep(max(self._pause, waited / 50))
        if status[key] != "finished":
            raise RuntimeError(f"{path}: {status}")

    def _status(self, path: str) -> Any:
        self.asked += 1
        return self.call("GET", path)

    def _curl(self, *words: str) -> str:
        return curl("-H", f"PRIVATE-TOKEN: {self.token}", *words)


def curl(*words: str) -> str:
    """Run curl and give what it prints. Raises RuntimeError with its words where it fails."""
    done = subprocess.run(
        ["curl", "-sS", "--fail-with-body", *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"curl: {done.stderr.strip()} {done.stdout[:300]}")
    return done.stdout
