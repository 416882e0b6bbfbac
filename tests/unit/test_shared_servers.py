from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

import pytest

from tests.support.shared_servers import shared
from tests.support.waiting import eventually

_KILLED_OWNER = """
import os, signal, sys
from contextlib import nullcontext
from pathlib import Path
from tests.support.shared_servers import shared
from tests.unit.test_shared_servers import Way
with shared(Way, lambda: nullcontext(Way(666)), folder=Path(sys.argv[1])):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@dataclass(frozen=True, slots=True)
class Way:
    port: int


@dataclass(slots=True)
class Servers:
    """Starts servers, each with a port of its own."""

    ended: list[str] = field(default_factory=list)
    started: int = 0

    @contextmanager
    def start(self) -> Iterator[Way]:
        self.started += 1
        yield Way(self.started)
        self.ended.append("server")


@pytest.fixture
def servers() -> Servers:
    return Servers()


def waits_for_a_lock(folder: Path) -> bool:
    """Whether a process waits for the lock of a file there."""
    inodes = {str(path.stat().st_ino) for path in folder.iterdir()}
    lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return any(line[1] == "->" and line[6].rpartition(":")[2] in inodes for line in lines)


def test_the_first_starts_a_server_that_the_others_use(servers: Servers, tmp_path: Path) -> None:
    with (
        shared(Way, servers.start, folder=tmp_path) as first,
        shared(Way, servers.start, folder=tmp_path) as second,
    ):
        assert (first, second, servers.started) == (Way(1), Way(1), 1)


def test_a_server_ends_when_its_last_user_has_left(servers: Servers, tmp_path: Path) -> None:
    owner, user = ExitStack(), ExitStack()
    owner.enter_context(shared(Way, servers.start, folder=tmp_path))
    user.enter_context(shared(Way, servers.start, folder=tmp_path))
    leaving = Thread(target=owner.close)
    leaving.start()
    eventually(lambda: servers.ended or waits_for_a_lock(tmp_path))
    late = user.enter_context(shared(Way, servers.start, folder=tmp_path))
    servers.ended.append("user")
    user.close()
    leaving.join()
    assert late == Way(1)
    assert servers.ended == ["user", "server"]


def test_a_server_is_started_again_for_who_comes_after_its_end(servers: Servers, tmp_path: Path) -> None:
    for number in (1, 2):
        with shared(Way, servers.start, folder=tmp_path) as way:
            assert way == Way(number)


def test_nobody_is_sent_to_the_server_of_a_worker_that_was_killed(servers: Servers, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", _KILLED_OWNER, str(tmp_path)], check=False, cwd=Path.cwd())
    with shared(Way, servers.start, folder=tmp_path) as way:
        assert way == Way(1)
