"""The data folder of a standalone belongs to one process at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from services.standalone.errors import DataFolderInUse, DataFolderUnusable

OBJECTS = "objects"
"""The folder of the objects in it."""

CLUSTER = "postgres"
"""The folder of the database in it."""

_LOCK = "standalone.lock"
"""The file that its owner has locked. The kernel ends the lock with the process, however that ends."""

_LONGEST_PID = 20


@contextmanager
def owned(data: Path) -> Iterator[None]:
    """Own the folder until the block ends; make it where it is missing.

    Raises DataFolderInUse and DataFolderUnusable.
    """
    try:
        data.mkdir(parents=True, exist_ok=True)
        lock = os.open(data / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise _unusable(data, error) from None
    try:
        _take(data, lock)
        yield
    finally:
        os.close(lock)


def _take(data: Path, lock: int) -> None:
    """Lock the file, and write into it whose it is."""
    try:
        flock(lock, LOCK_EX | LOCK_NB)
        os.write(lock, f"{os.getpid():<{_LONGEST_PID}}\n".encode())
    except BlockingIOError:
        holder = os.read(lock, _LONGEST_PID).decode(errors="replace").strip()
        raise DataFolderInUse(data, holder) from None
    except OSError as error:
        raise _unusable(data, error) from None


def _unusable(data: Path, error: OSError) -> DataFolderUnusable:
    if isinstance(error, FileExistsError):
        return DataFolderUnusable(data, "it is a file, not a folder")
    return DataFolderUnusable(data, (error.strerror or str(error)).lower())
