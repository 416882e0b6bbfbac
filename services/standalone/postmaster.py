"""The server process of a cluster, as its file ``postmaster.pid`` and the kernel tell of it.

The number in the file may be that of another process: after a power cut the file is still there, and numbers
begin anew.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog

_READY = "ready"
_LOOK_EVERY = timedelta(milliseconds=50)
_FAST = timedelta(seconds=60)
"""How long a fast shutdown may take, which writes a checkpoint, before an immediate one follows."""
_IMMEDIATE = timedelta(seconds=10)
"""How long an immediate shutdown may take, before the server is killed. It recovers at its next start."""

_STOPS = ((signal.SIGINT, _FAST), (signal.SIGQUIT, _IMMEDIATE), (signal.SIGKILL, _IMMEDIATE))
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Postmaster:
    """What the file says: the number of the process and, once it has one, the status of the server."""

    pid: int
    status: str

    @property
    def is_ready(self) -> bool:
        """Tell whether the server takes connections."""
        return self.status == _READY


def read_postmaster(folder: Path) -> Postmaster | None:
    """Read the file of the cluster in ``folder``; None where it is missing or not yet written."""
    try:
        lines = (folder / "postmaster.pid").read_text(errors="replace").splitlines()
        return Postmaster(pid=int(lines[0]), status=lines[-1].strip())
    except (FileNotFoundError, NotADirectoryError, IndexError, ValueError):
        return None


def is_server_of(folder: Path, pid: int) -> bool:
    """Tell whether a process is a Postgres that runs over the cluster in ``folder``, by its command line."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        data = words[words.index(b"-D") + 1]
        return os.path.basename(words[0]) == b"postgres" and os.path.samefile(data, folder)  # noqa: PTH119, PTH121  # bytes
    except (OSError, ValueError, IndexError):
        return False


async def end_former_server(folder: Path) -> None:
    """Stop the server that a process which was killed has left over the cluster, and wait until it is gone.

    Where the number in its file belongs to another process, or to none, or the file is empty after a power
    cut, the file alone is removed. Postgres itself finds out whether its memory is still in use. The caller
    owns the folder.
    """
    found = read_postmaster(folder)
    if found is not None and is_server_of(folder, found.pid):
        _log.info("postgres_left_over", pid=found.pid, status=found.status)
        await stop_server(found.pid, has_ended=lambda: not is_server_of(folder, found.pid))
    else:
        (folder / "postmaster.pid").unlink(missing_ok=True)


async def stop_server(pid: int, *, has_ended: Callable[[], bool]) -> None:
    """Stop a server: by a fast shutdown, else at once. Ends within 80 seconds."""
    for number, patience in _STOPS:
        if has_ended():
            return
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        with suppress(TimeoutError):
            async with asyncio.timeout(patience.total_seconds()):
                while not has_ended():  # noqa: ASYNC110  # of a process that is no child no event tells
                    await asyncio.sleep(_LOOK_EVERY.total_seconds())
