"""A standalone that is killed and started again, on the same data folder and the same address."""

from __future__ import annotations

import os
import secrets
import signal
from contextlib import ExitStack
from pathlib import Path

from tests.support.ports import free_ports
from tests.support.preloaded import CrossdockProcess
from tests.support.sealing import KEY
from tests.support.system import UNLIMITED, System, answers, crossdock


class Restarted:
    """A standalone below ``folder``; it ends with ``resources``."""

    def __init__(self, folder: Path, resources: ExitStack) -> None:
        port, metrics_port = free_ports(2)
        self.system = System(
            f"http://127.0.0.1:{port}", f"glpat-{secrets.token_hex(10)}", data=folder / "data"
        )
        self.kills = 0
        self._folder = folder
        self._resources = resources
        self._words = ("standalone", "--port", str(port), "--data", str(folder / "data"))
        self._env = {
            **UNLIMITED,
            "CROSSDOCK_METRICS_PORT": str(metrics_port),
            "CROSSDOCK_ROOT_TOKEN": self.system.token,
            "CROSSDOCK_EXTERNAL_URL": self.system.url,
            "CROSSDOCK_SIGNING_KEY": KEY,
        }
        self._process = self._start()

    def _start(self) -> CrossdockProcess:
        started = crossdock(
            *self._words, directory=self._folder / "run", env=self._env, resources=self._resources
        )
        assert isinstance(started, CrossdockProcess)
        self.system.processes["standalone"] = started
        return started

    def wait(self) -> None:
        """Wait until it answers."""
        self._process.wait_until(lambda: answers(f"{self.system.url}/-/readiness?all=1"))

    def kill(self) -> None:
        """Kill it by SIGKILL and start it again; do not wait until it answers."""
        self._process.stop(lambda pid: os.kill(pid, signal.SIGKILL))
        self.kills += 1
        self._process = self._start()
