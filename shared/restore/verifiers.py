"""Checks of single files while their bytes stream by.

``feed`` takes the bytes; ``close`` ends them. Either raises an ArchiveError where the whole import must
stop, and ``close`` gives a Failure where only this file is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from shared.errors import ArchiveError
from shared.git.bundle import BundleVerifier
from shared.restore.failures import Failure


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
