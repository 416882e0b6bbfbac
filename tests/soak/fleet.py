"""The services of a soak, as a supervisor runs them: whoever ends is started again."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.support.preloaded import CrossdockProcess

_LOOK_EVERY = 0.2
_LAST = 600
"""Bytes of the log of a process that ended by itself."""


class Fleet:
    """Processes by their names, ``importer-0`` for one. ``deaths`` tells of those that nobody killed."""

    def __init__(self, folder: Path, environments: Mapping[str, Mapping[str, str]]) -> None:
        self._folder = folder
        self._environments = environments
        self._processes: dict[str, CrossdockProcess] = {}
        self._busy: set[str] = set()
        self.deaths: list[str] = []
        self.starts: Counter[str] = Counter()
        for name in environments:
            self._start(name)

    def _start(self, name: str) -> None:
        directory = self._folder / name
        directory.mkdir(exist_ok=True)
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "PYTHONPATH": str(Path.cwd()),
            **self._environments[name],
        }
        self._processes[name] = CrossdockProcess((name.partition("-")[0],), directory=directory, env=env)
        self.starts[name] += 1

    async def kill(self, name: str) -> None:
        """End a process by SIGKILL, and start it again. Does nothing to one that is stopped."""
        if name in self._busy:
            return
        self._busy.add(name)
        await asyncio.to_thread(self._processes[name].stop, _kill)
        self._start(name)
        self._busy.discard(name)

    async def freeze(self, name: str, *, seconds: float) -> None:
        """Stop a process for so long."""
        if name in self._busy:
            return
        self._busy.add(name)
        pid = self._processes[name].pid
        try:
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(seconds)
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
            self._busy.discard(name)

    async def supervise(self) -> None:
        """Start whoever has ended by itself, until cancelled."""
        while True:
            for name, process in list(self._processes.items()):
                if name not in self._busy and not process.is_running:
                    self._tell_death(name, process)
                    self._start(name)
            await asyncio.sleep(_LOOK_EVERY)

    def _tell_death(self, name: str, process: CrossdockProcess) -> None:
        last = process.log.read_bytes()[-_LAST:].decode(errors="replace").strip().splitlines()
        self.deaths.append(f"{name} with {process.wait(seconds=1)}: {last[-1] if last else ''}")
        process.stop(_kill)

    def close(self) -> None:
        """End all."""
        for process in self._processes.values():
            process.stop(_kill)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
