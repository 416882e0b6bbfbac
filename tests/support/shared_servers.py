"""One server for all workers of a test run: the first that needs it starts it, and ends it as the last.

The kernel keeps the locks that this goes by, and takes them from a worker that is killed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, fields
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, LOCK_UN, flock
from pathlib import Path
from typing import IO, Any, TypeVar

import pytest

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Run:
    """A run of tests: the folder that its workers have in common, and what closes at a worker's end."""

    folder: Path
    resources: ExitStack

    def shared(self, kind: type[T], start: Callable[[], AbstractContextManager[T]]) -> T:
        """Give the way to the run's one server of a kind."""
        return self.resources.enter_context(shared(kind, start, folder=self.folder))


def make_run(config: pytest.Config, basetemp: Path) -> Run:
    """Make the run of this worker, or of this process where there are no workers.

    A fixture would end within the time that its last test has, and a server waits for whoever still uses it.
    """
    resources = ExitStack()
    config.add_cleanup(resources.close)
    return Run(basetemp.parent if hasattr(config, "workerinput") else basetemp, resources)


@contextmanager
def shared(kind: type[T], start: Callable[[], AbstractContextManager[T]], *, folder: Path) -> Iterator[T]:
    """Give the way to the one server of a kind in a folder, as the dataclass ``kind``; ``start`` runs it.

    Who has started it leaves the block when all others have left theirs.
    """
    file = folder / f"{kind.__name__}.json"
    with file.with_suffix(".users").open("w") as users, file.open("a+") as way, ExitStack() as owned:
        with file.with_suffix(".starting").open("w") as starting:
            flock(starting, LOCK_EX)
            flock(users, LOCK_SH)  # waits for one that is about to end
            if _is_taken(way):
                _write(way, kind, owned.enter_context(start()))
                owned.callback(_wait_for_others, users)
        yield kind(**json.loads(file.read_text()))


def _is_taken(file: IO[str]) -> bool:
    """Take the lock of who runs the server, unless another does, and tell whether that worked."""
    try:
        flock(file, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(file: IO[str], kind: type[Any], server: object) -> None:
    file.truncate(0)
    json.dump({each.name: getattr(server, each.name) for each in fields(kind)}, file)
    file.flush()


def _wait_for_others(users: IO[str]) -> None:
    flock(users, LOCK_UN)
    flock(users, LOCK_EX)
