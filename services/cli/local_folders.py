"""Tries whether folders of this machine can be written, before work is done whose result would go there."""

from __future__ import annotations

import tempfile
from pathlib import Path

from services.cli.errors import FileUnwritable, UsageError


def refuse_file(folder: Path) -> None:
    """Raise UsageError where a file is where a folder is or could be."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file, not a folder")


def require_writable(folder: Path, *, makes: bool = False) -> None:
    """Write a file without a name into a folder, which ``makes`` makes. Raises UsageError, FileUnwritable."""
    refuse_file(folder)
    try:
        if makes:
            folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise FileUnwritable(folder, error) from None
