"""What somebody meets who starts Crossdock for the first time, with nothing prepared."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.ports import free_ports
from tests.support.processes import ServerProcess
from tests.support.system import answers, crossdock

pytestmark = pytest.mark.timeout(120)


class Started:
    """A standalone over the data of ``folder``, with few settings; it ends with ``resources``."""

    def __init__(self, folder: Path, resources: ExitStack, **settings: str) -> None:
        (port,) = free_ports(1)
        self.url = f"http://localhost:{port}"
        words = ("standalone", "--port", str(port), "--data", str(folder / "data"))
        self._process: ServerProcess = crossdock(
            *words, directory=folder / f"run-{port}", env=settings, resources=resources
        )
        self._process.wait_until(lambda: answers(f"{self.url}/-/readiness"))
        self._process.wait_until(lambda: "Crossdock listens" in self.said)

    @property
    def said(self) -> str:
        """What it has printed and logged."""
        return self._process.log.read_text()

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        self._process.stop(lambda pid: os.kill(pid, signal.SIGINT))

    def user(self, token: str) -> Any:
        """Who has a token."""
        return get(f"{self.url}/api/v4/user", token)


def get(url: str, token: str) -> Any:
    """What is at an address of our own server."""
    request = urllib.request.Request(url, headers={"PRIVATE-TOKEN": token})  # noqa: S310  # our own server
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  # our own server
        return json.load(answer)


def test_a_first_start_says_where_it_is_and_shows_a_token_once(tmp_path: Path) -> None:
    with ExitStack() as resources:
        first = Started(tmp_path, resources)
        (token,) = re.findall(r"glpat-[\w-]{32}", first.said)
        user = first.user(token)
        first.stop()
        again = Started(tmp_path, resources)
        same = again.user(token)["id"]
    assert (user["username"], user["is_admin"], same) == ("root", True, user["id"])
    assert f"listens at {first.url}\n" in first.said
    assert first.said.endswith(f"Crossdock has stopped. The data stay in {tmp_path / 'data'}.\n")
    assert str(tmp_path / "data") in first.said
    assert token not in again.said
    assert "Sign in with a token that you have." in again.said


@pytest.mark.parametrize("is_there", [True, False])
def test_a_start_that_fails_for_its_port_makes_no_token_that_nobody_sees_nor_a_folder(
    tmp_path: Path, *, is_there: bool
) -> None:
    if is_there:
        (tmp_path / "data").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as other, ExitStack() as resources:
        port = other.getsockname()[1]
        words = ("standalone", "--port", str(port), "--data", str(tmp_path / "data"))
        process = crossdock(*words, directory=tmp_path / "run", env={}, resources=resources)
        assert process.wait() == 2
    assert process.log.read_text() == (
        f"crossdock: cannot listen at 127.0.0.1, port {port}: Address already in use. "
        "CROSSDOCK_PORT (--port) names another\n"
    )
    assert (tmp_path / "data").exists() is is_there
    with ExitStack() as resources:
        started = Started(tmp_path, resources)
        (token,) = re.findall(r"glpat-[\w-]{32}", started.said)
        assert started.user(token)["username"] == "root"


def test_a_token_that_was_given_is_not_shown(tmp_path: Path) -> None:
    with ExitStack() as resources:
        started = Started(tmp_path, resources, CROSSDOCK_ROOT_TOKEN="hunter22hunter22")
        assert started.user("hunter22hunter22")["username"] == "root"
    assert "the token that CROSSDOCK_ROOT_TOKEN gives" in started.said
    assert "hunter22" not in started.said


@pytest.mark.parametrize(("command", "code"), [("standalone", 2), ("importer", 1)])
def test_a_setting_that_is_spelled_wrong_is_refused_with_the_nearest_one(
    command: str, code: int, tmp_path: Path
) -> None:
    with ExitStack() as resources:
        process = crossdock(
            command, directory=tmp_path, env={"CROSSDOCK_ROOT_TOKN": "hunter22"}, resources=resources
        )
        assert process.wait() == code
    said = process.log.read_text()
    assert said == "crossdock: CROSSDOCK_ROOT_TOKN is not a setting: did you mean CROSSDOCK_ROOT_TOKEN?\n"


def test_a_demonstration_that_is_kept_goes_on_with_its_project_until_it_is_ended(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", "demo", "--keep"],
        env=env, check=True, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    (pid,), (folder,) = (re.findall(words, done.stdout) for words in (r"kill (\d+)\n", r"rm -r (\S+)\n"))
    (url,) = re.findall(r"http://127.0.0.1:\d+", done.stdout)
    (token,) = re.findall(r"glpat-[\w-]+", done.stdout)
    ended = os.pidfd_open(int(pid))
    try:
        project = get(f"{url}/api/v4/projects/root%2Fdemo", token)
    finally:
        os.kill(int(pid), signal.SIGTERM)
        readable, _, _ = select.select([ended], [], [], 60)
        os.close(ended)
    assert (project["path_with_namespace"], project["import_status"]) == ("root/demo", "finished")
    assert readable
    assert Path(folder).parent == tmp_path
    assert f"Sign in as root with the token {token}\n" in done.stdout
