"""Server processes that do not outlive the test run, however it ends."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from pwd import struct_passwd
from typing import Any, Protocol

# Its input ends with the test run, even where that was killed and no finalizer ran.
_WATCHDOG = 'read -r _; kill -s KILL -- "-$1"; rm -rf -- "$2"'


class Running(Protocol):
    """What a server's process is asked for: the part of subprocess.Popen that is used here."""

    args: Any

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def kill(self) -> None: ...


class ServerProcess:
    """One server, in a session and process group of its own, its output in a log file.

    ``directory`` is its working directory, which the watchdog removes; ``account`` whom it runs as.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        directory: Path,
        env: Mapping[str, str],
        account: struct_passwd | None = None,
    ) -> None:
        self.log = directory / f"{Path(command[0]).name}.log"
        self.env = env
        self._account = account
        self._process = self._started(command, directory)
        self._watchdog = subprocess.Popen(
            ["sh", "-c", _WATCHDOG, "watchdog", str(self.pid), str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _started(self, command: Sequence[str], directory: Path) -> Running:
        account = self._account
        with self.log.open("ab") as output:
            return subprocess.Popen(
                command,
                cwd=directory,
                env={**measured(), **self.env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=account and account.pw_uid,
                group=account and account.pw_gid,
                extra_groups=account and [],
            )

    @property
    def pid(self) -> int:
        """The server's process id, which is also the id of its process group."""
        return self._process.pid

    def wait_until(self, ready: Callable[[], bool], *, seconds: float = 120) -> None:
        """Poll ``ready``; raise RuntimeError with the end of the log where it does not come true."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                end = self.log.read_text(errors="replace")[-3000:]
                raise RuntimeError(f"{self._process.args!r} did not get ready:\n{end}")
            time.sleep(0.02)  # another program, which tells nobody when it is ready

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def wait(self, *, seconds: float = 120) -> int:
        """Wait for its own end and give its exit code, negative where a signal ended it."""
        return self._process.wait(seconds)

    def stop(self, send: Callable[[int], None], *, seconds: float = 30) -> None:
        """End the server by ``send``, which gets its pid, and by SIGKILL where that is not enough."""
        try:
            if self._process.poll() is None:
                send(self.pid)
                self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        finally:
            self._watchdog.kill()
            self._watchdog.communicate()


def measured() -> dict[str, str]:
    """Give what makes a process measure its coverage, where MEASURE_PROCESSES asks for that."""
    if not os.environ.get("MEASURE_PROCESSES"):
        return {}
    return {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_PROCESS_")}
