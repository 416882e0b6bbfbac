"""Checks of single files while their bytes stream by.

``feed`` takes the bytes; ``close`` ends them. Either raises an ArchiveError where the whole import must
stop, and ``close`` gives a Failure where only this file is left out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Protocol

from shared.assembly.documents import VERSION
from shared.errors import ArchiveError
from shared.git.bundle import BundleVerifier
from shared.restore.failures import Failure

_VERSION = VERSION.decode()
_LONGEST = 128


class VersionMismatch(ArchiveError):
    """The archive is of another format (GitLab's text)."""

    code = "version_mismatch"

    def __init__(self, found: str) -> None:
        super().__init__(f"Import version mismatch: Required {_VERSION} but was {found}")


class Verifier(Protocol):
    """Sees one file go by."""

    def feed(self, data: bytes) -> None:
        """See the next bytes."""

    def close(self) -> Failure | None:
        """See the end; give why the file is left out, if it is."""


class Unchecked:
    """A file that may hold anything."""

    def feed(self, data: bytes) -> None:
        """See the next bytes."""

    def close(self) -> None:
        """See the end."""


class Version:
    """VERSION: the first ``d.d.d`` in the first 128 characters of the first line must be 0.2.4."""

    def __init__(self) -> None:
        self._start = b""

    def feed(self, data: bytes) -> None:
        """Keep the first line's start."""
        self._start = (self._start + data[: 4 * _LONGEST])[: 4 * _LONGEST]  # UTF-8: 4 bytes at most

    def close(self) -> None:
        """Raise VersionMismatch."""
        line = self._start.split(b"\n", 1)[0].decode(errors="replace")[:_LONGEST]
        found = re.search(r"\d+\.\d+\.\d+", line)
        if found is None or found[0] != _VERSION:
            raise VersionMismatch(found[0] if found else repr(line.strip()))


class WrongDigest(ArchiveError):
    """The name of an LFS object is not the SHA-256 of its bytes."""

    code = "lfs_digest"

    def __init__(self, oid: str, found: str) -> None:
        super().__init__(f"LFS object {oid[:_LONGEST]} has the SHA-256 {found}")


class LfsObject:
    """An LFS object: its name is the SHA-256 of its bytes."""

    def __init__(self, oid: str) -> None:
        self._oid = oid
        self._digest = hashlib.sha256()

    def feed(self, data: bytes) -> None:
        """Hash the bytes."""
        self._digest.update(data)

    def close(self) -> None:
        """Raise WrongDigest."""
        found = self._digest.hexdigest()
        if found != self._oid:
            raise WrongDigest(self._oid, found)


class Bundle:
    """A repository of the project itself: a bad one stops the import."""

    def __init__(self, name: str) -> None:
        self._verifier = BundleVerifier(name)

    def feed(self, data: bytes) -> None:
        """See the bytes. Raises InvalidBundle."""
        self._verifier.feed(data)

    def close(self) -> None:
        """Raise InvalidBundle."""
        self._verifier.close()


class Tolerated:
    """A file that is left out where its check fails, while the import goes on."""

    def __init__(self, verifier: Verifier, *, relation: str, source: str) -> None:
        self._verifier = verifier
        self._relation = relation
        self._source = source
        self._error: ArchiveError | None = None

    def feed(self, data: bytes) -> None:
        """See the next bytes, as long as they are good."""
        if self._error is None:
            self._try(lambda: self._verifier.feed(data))

    def close(self) -> Failure | None:
        """Give the failure, if there was an error."""
        if self._error is None:
            self._try(self._verifier.close)
        if self._error is None:
            return None
        return Failure(
            relation=self._relation,
            line_number=None,
            exception_class="Gitlab::ImportExport::Error",
            message=str(self._error),
            source=self._source,
        )

    def _try(self, step: Callable[[], object]) -> None:
        try:
            step()
        except ArchiveError as error:
            self._error = error
