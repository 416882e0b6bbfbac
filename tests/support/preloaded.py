"""Processes of ``crossdock`` that begin with its modules loaded, as forks of a process that has loaded them.

Loading takes more than a second of a core each time, and the suite starts hundreds. What follows is what
``python -m services.cli`` does: a process, session and working directory of its own, the given environment,
arguments and output, and the exit code.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.processes import Running, ServerProcess, measured

_COMMAND = "services.cli.__main__"
"""The module whose ``main`` is the command."""
_MODULES = [
    "services.cli.__main__",
    "services.standalone.wiring",
    "services.api.__main__",
    "services.exporter.__main__",
    "services.importer.__main__",
]
_context = get_context("forkserver")
_context.set_forkserver_preload(_MODULES)


class Preloaded:
    """A running command, with the part of subprocess.Popen's methods that tests need."""

    def __init__(
        self,
        words: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stdout: Path,
        stderr: Path,
        module: str = _COMMAND,
    ) -> None:
        self.args = ["crossdock", *words]
        for file in (stdout, stderr):
            file.touch()
        given = (module, self.args, str(cwd), dict(env), str(stdout), str(stderr))
        self._process = _context.Process(target=_become, args=given)
        with _unmeasured_environment():
            self._process.start()

    @property
    def pid(self) -> int:
        """The process id, which is also the id of its process group once it runs its command."""
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Give the exit code, negative where a signal ended it, or None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and give the exit code. Raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return self._process.exitcode

    def kill(self) -> None:
        """End it by SIGKILL."""
        self._process.kill()


class CrossdockProcess(ServerProcess):
    """A server that is a command of Crossdock: ``command`` has the words behind ``crossdock``.

    ``module`` has the ``main`` that runs it.
    """

    module = _COMMAND

    def _started(self, command: Sequence[str], directory: Path) -> Running:
        if measured():
            return super()._started([sys.executable, "-m", self.module, *command], directory)
        files = {"stdout": self.log, "stderr": self.log}
        return Preloaded(command, cwd=directory, env=self.env, module=self.module, **files)


def completed(
    words: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout: float = 120
) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end, as subprocess.run would with its output captured."""
    if measured():
        return subprocess.run(
            [sys.executable, "-m", _COMMAND, *words],
            cwd=cwd,
            env={**env, **measured()},
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    with TemporaryDirectory(prefix="crossdock-command-") as folder:
        stdout, stderr = Path(folder) / "stdout", Path(folder) / "stderr"
        process = Preloaded(words, cwd=cwd, env=env, stdout=stdout, stderr=stderr)
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
        return subprocess.CompletedProcess(process.args, code, stdout.read_bytes(), stderr.read_bytes())


def _become(module: str, words: list[str], cwd: str, env: dict[str, str], stdout: str, stderr: str) -> None:
    os.setsid()
    os.chdir(cwd)
    for target, source, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, stdout, os.O_WRONLY | os.O_CREAT | os.O_APPEND),
        (2, stderr, os.O_WRONLY | os.O_CREAT | os.O_APPEND),
    ):
        os.dup2(os.open(source, flags, 0o644), target)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = words
    signal.signal(signal.SIGINT, signal.default_int_handler)
    import_module(module).main()  # the command is of the parent, loaded there


@contextmanager
def _unmeasured_environment() -> Iterator[None]:
    """Start the parent of all, which the first start does, without what makes a process measure itself."""
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("COVERAGE_PROCESS_")}
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(Path.cwd())
    try:
        yield
    finally:
        os.environ.pop("PYTHONPATH")
        os.environ.update(hidden | ({"PYTHONPATH": before} if before is not None else {}))
