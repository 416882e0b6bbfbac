"""A watch on a process: the most memory it ever had, and the large files it writes."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG

_LIMIT = 1024 * 1024


def peak_rss(pid: int) -> int:
    """The most bytes that the process ever had resident (VmHWM)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
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
