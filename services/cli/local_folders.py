"""Tries whether folders of this machine can be written, before work is done whose result would go there."""

from __future__ import annotations

import tempfile
from pathlib import Path

from services.cli.errors import FileUnwritable, UsageError


def require_writable(folder: Path, *, makes: bool = False) -> None:
    """Write a file without a name into a folder, which ``makes`` makes. Raises UsageError, FileUnwritable."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file, not a folder")
    try:
        if makes:
            folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise FileUnwritable(folder, error) from None
