"""A group of many projects on one standalone, copied to another while both are killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.support.projects import ndjson, project
from tests.support.restarts import Restarted

ROOT = Path(__file__).parents[2]
GROUP = "fleet"
_AT_ONCE = 8
_PAGE = 100
_WITHOUT_OURS = {name: value for name, value in os.environ.items() if not name.startswith("CROSSDOCK_")}


def path_of(number: int, groups: int) -> str:
    """The path of a project: all are spread over the groups."""
    return f"{GROUP}/team-{number % groups}/project-{number}"


def issues_of(number: int) -> int:
    """How many issues a project has: few, and not as many as its neighbours."""
    return number % 7 + 1


def archive_of(number: int) -> bytes:
    """An archive of one project."""
    lines = (b'{"iid": %d, "title": "of %d"}' % (iid, number) for iid in range(1, issues_of(number) + 1))
    return project(issues=ndjson(*lines))


class Api:
    """Calls of GitLab's API that a test needs, as the administrator."""

    def __init__(self, server: Restarted) -> None:
        self._url = f"{server.system.url}/api/v4"
        self._session = requests.Session()
        self._session.headers["PRIVATE-TOKEN"] = server.system.token

    def _call(self, method: str, path: str, **more: Any) -> requests.Response:
        answer = self._session.request(method, f"{self._url}{path}", timeout=60, **more)
        assert answer.ok, answer.text
        return answer

    def make_groups(self, groups: int) -> None:
        """Make the group, and one for each team in it."""
        above = self._call("POST", "/groups", json={"name": GROUP, "path": GROUP}).json()["id"]
        for number in range(groups):
            name = f"team-{number}"
            self._call("POST", "/groups", json={"name": name, "path": name, "parent_id": above})

    def make_group(self, path: str) -> None:
        """Make a group at the top."""
        self._call("POST", "/groups", json={"name": path, "path": path})

    def import_group(self, archive: bytes, *, path: str, name: str) -> None:
        """Make the groups of an archive at the top; all of it has to be taken."""
        form = {"path": path, "name": name}
        answer = self._call("POST", "/groups/import", data=form, files={"file": ("one.tar.gz", archive)})
        assert answer.json() == {"message": "202 Accepted"}

    def export_group(self, full_path: str) -> bytes:
        """The archive of a group."""
        address = f"/groups/{full_path.replace('/', '%2F')}/export"
        self._call("POST", address)
        return self._call("GET", f"{address}/download").content

    def start_import(self, full_path: str, archive: bytes) -> None:
        """Upload an archive."""
        namespace, _, path = full_path.rpartition("/")
        form = {"path": path, "namespace": namespace}
        self._call("POST", "/projects/import", data=form, files={"file": ("one.tar.gz", archive)})

    def pages(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        """Everything of a list."""
        params = {**query, "per_page": str(_PAGE)}
        number = 1
        while True:
            found = self._call("GET", path, params={**params, "page": str(number)}).json()
            yield from found
            if len(found) < _PAGE:
                return
            number += 1

    def states(self, paths: Mapping[str, int]) -> Counter[str]:
        """How many of these projects are in each state of GitLab's."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return Counter(pool.map(self.state, paths))

    def state(self, full_path: str) -> str:
        """The state of a project's import."""
        found = self._call("GET", f"/projects/{full_path.replace('/', '%2F')}/import").json()
        return str(found["import_status"])

    def issues(self, project: int) -> int:
        """How many issues a project has."""
        return sum(1 for _ in self.pages(f"/projects/{project}/issues"))


@dataclass(slots=True)
class Migrated:
    """What a command reported, and what it and the servers cost."""

    documents: list[dict[str, Any]] = field(default_factory=list)
    code: int = 0
    stderr: str = ""
    peak: int = 0
    """The highest resident memory of the command, in bytes."""

    @property
    def summary(self) -> dict[str, Any]:
        """The document of all."""
        return self.documents[-1]


class Migration:
    """Copies ``projects`` projects in ``groups`` groups from ``source`` to ``target`` by one command."""

    def __init__(
        self, source: Restarted, target: Restarted, folder: Path, *, groups: int, projects: int
    ) -> None:
        self.source, self.target = source, target
        self.paths = {path_of(number, groups): number for number in range(projects)}
        self._groups = groups
        self._folder = folder
        self._env = {**_WITHOUT_OURS, "CROSSDOCK_CONFIG": str(folder / "config.toml")}

    def fill(self) -> None:
        """Make the projects on the source, and name both servers."""
        api = Api(self.source)
        api.make_groups(self._groups)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda path: api.start_import(path, archive_of(self.paths[path])), self.paths))
        while api.states(self.paths) != {"finished": len(self.paths)}:
            pass  # each look takes as long as it has to
        for name, server in (("one", self.source), ("other", self.target)):
            token = self._folder / f"{name}.token"
            token.write_text(server.system.token)
            self._command("login", name, server.system.url, "--token-file", str(token)).wait()

    def run(self, after: Mapping[int, str], *, parallel: int = 4) -> Migrated:
        """Copy; ``after`` so many documents, kill the servers whose names are there, s and t."""
        words = ("copy", "--group", f"one:{GROUP}", f"other:{GROUP}", "--parallel", str(parallel), "--json",
                 "--report", str(self._folder / "report.csv"))  # fmt: skip
        done = Migrated()
        with (
            (self._folder / "copy.log").open("wb") as log,
            self._command(*words, stdout=subprocess.PIPE, stderr=log) as running,
        ):
            assert running.stdout is not None
            for line in running.stdout:
                done.documents.append(json.loads(line))
                done.peak = max(done.peak, _peak(running.pid))
                for name in after.get(len(done.documents), ""):
                    (self.source if name == "s" else self.target).kill()
        done.code = running.returncode
        done.stderr = (self._folder / "copy.log").read_text()
        self.source.wait()
        self.target.wait()
        return done

    def _command(self, *words: str, **more: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "services.cli", *words], cwd=ROOT, env=self._env, **more
        )

    def faults(self) -> list[str]:
        """Say what is not as it has to be on the target: missing, there twice, or with other content."""
        api = Api(self.target)
        found = [(str(each["path_with_namespace"]), int(each["id"])) for each in api.pages("/projects")]
        counts = Counter(path for path, _ in found)
        faults = [f"{path} is missing" for path in self.paths if path not in counts]
        faults += [f"{path} is there {count} times" for path, count in counts.items() if count > 1]
        faults += [f"{path} was not asked for" for path in counts if path not in self.paths]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            issues = list(pool.map(api.issues, (number for _, number in found)))
        faults += [
            f"{path} has {count} issues, not {issues_of(self.paths[path])}"
            for (path, _), count in zip(found, issues, strict=True)
            if path in self.paths and count != issues_of(self.paths[path])
        ]
        return faults


def _peak(pid: int) -> int:
    """The highest resident memory of a process so far, in bytes; 0 where it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    lines = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(lines[0].split()[1]) * 1024 if lines else 0
