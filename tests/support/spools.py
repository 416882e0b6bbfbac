"""A watch on processes: how much memory they take, and the large files they write."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG

from tests.support.processes import ServerProcess
from tests.support.system import System

MIB = 1024 * 1024
FLAT = 128
"""MiB that a process may take for a transfer of any size, over what it took before."""
_LIMIT = MIB
_RESET_PEAK = "5"


def peak_rss(pid: int) -> int:
    """The most bytes that the process had resident since its start, or since ``growth`` (VmHWM)."""
    return _status(pid, "VmHWM")


@contextmanager
def growth(processes: Mapping[str, ServerProcess]) -> Iterator[dict[str, int]]:
    """Collect by how many MiB the most that each process had resident in the block is over its start's.

    What the process took before, for other tests, does not count. Read it after the block.
    """
    before = {}
    for name, process in processes.items():
        Path(f"/proc/{process.pid}/clear_refs").write_text(_RESET_PEAK)
        before[name] = _status(process.pid, "VmRSS")
    found: dict[str, int] = {}
    yield found
    for name, process in processes.items():
        found[name] = (peak_rss(process.pid) - before[name]) // MIB


def _status(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise ValueError(pid)


def large_files(pid: int, allowed: Collection[Path]) -> set[str]:
    """The regular files over 1 MiB, deleted ones too, that the process holds open for writing now."""
    found = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target, status = str(fd.readlink()), fd.stat()
            flags = int(Path(f"/proc/{pid}/fdinfo/{fd.name}").read_text().split()[3], 8)
        except OSError:
            continue  # closed meanwhile
        writing = flags & os.O_ACCMODE != os.O_RDONLY
        inside = any(Path(target).is_relative_to(folder) for folder in allowed)
        if S_ISREG(status.st_mode) and status.st_size > _LIMIT and writing and not inside:
            found.add(target)
    return found


@contextmanager
def watching(pids: Collection[int], *, allowed: Collection[Path] = ()) -> Iterator[set[str]]:
    """Collect the large files that the processes write outside ``allowed`` while the block runs.

    The open files are looked at ten times a second: a spool of gigabytes is open for far longer.
    """
    found: set[str] = set()
    stopped = threading.Event()

    def watch() -> None:
        while not stopped.wait(0.1):
            for pid in pids:
                found.update(large_files(pid, allowed))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        stopped.set()
        thread.join()


@contextmanager
def transferring(system: System) -> Iterator[tuple[set[str], dict[str, int]]]:
    """Watch a system in the block: the large files beside its store and logs, and its growth in MiB."""
    processes = system.processes
    pids = [process.pid for process in processes.values()]
    allowed = [process.log for process in processes.values()]
    allowed += [system.data] if system.data else []
    with watching(pids, allowed=allowed) as spools, growth(processes) as grown:
        yield spools, grown
