"""VERSION: the version of the archive's format."""

from __future__ import annotations

import re

from shared.errors import ArchiveError

FORMAT_VERSION = b"0.2.4"
"""GitLab's format version (no newline), unchanged since GitLab 11.1."""

_REQUIRED = FORMAT_VERSION.decode()
_LONGEST = 128


class VersionMismatch(ArchiveError):
    """The archive has another version of the format (GitLab's text)."""

    code = "version_mismatch"

    def __init__(self, found: str) -> None:
        super().__init__(f"Import version mismatch: Required {_REQUIRED} but was {found}")


class VersionFile:
    """VERSION: the first ``d.d.d`` in the first 128 characters of the first line must be 0.2.4."""

    parses = False
    work = 0

    def __init__(self) -> None:
        self._start = b""

    def feed(self, data: bytes) -> None:
        """Keep the beginning of the first line."""
        self._start = (self._start + data[: 4 * _LONGEST])[: 4 * _LONGEST]  # UTF-8: 4 bytes at most

    def close(self) -> None:
        """Check the version. Raises VersionMismatch."""
        line = self._start.split(b"\n", 1)[0].decode(errors="replace")[:_LONGEST]
        found = re.search(r"\d+\.\d+\.\d+", line)
        if found is None or found[0] != _REQUIRED:
            raise VersionMismatch(found[0] if found else repr(line.strip()))
