"""Verifiers check single files while their bytes stream by.

``feed`` takes the bytes, ``close`` ends them. Both raise an ArchiveError, or of a git server's repository a
RepositoryError, where the whole import must stop; ``close`` gives a Failure where only this file is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from shared.errors import ArchiveError
from shared.git.bundle import BundleVerifier, IncompleteBundle
from shared.git.bundle_header import InvalidBundle
from shared.git.errors import RepositoryDamaged, RepositoryIncomplete
from shared.restore.failures import Failure

_ERROR = "Gitlab::ImportExport::Error"
"""GitLab's class for what is wrong with a file as a whole."""


class Verifier(Protocol):
    """Checks one file."""

    @property
    def parses(self) -> bool:
        """Whether it parses the next bytes, which is more work than to hash them."""

    @property
    def work(self) -> int:
        """What it has done beside that, as the number of lines that would have cost the same."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes. May raise ArchiveError."""

    def close(self) -> Failure | None:
        """End the file; give the reason to leave it out, or None. May raise ArchiveError."""


class NullVerifier:
    """Accepts any file."""

    parses = False
    work = 0

    def feed(self, data: bytes) -> None:
        """See Verifier."""

    def close(self) -> None:
        """See Verifier."""


class BundleFile:
    """A repository of the project: a bad bundle stops the import, one that nobody can clone is left out."""

    def __init__(self, name: str, *, relation: str, source: str) -> None:
        self._verifier = BundleVerifier(name)
        self._relation = relation
        self._source = source

    @property
    def parses(self) -> bool:
        """Whether the header goes on: a line of it is a reference."""
        return self._verifier.in_header

    @property
    def work(self) -> int:
        """See Verifier: it looks at objects of the pack."""
        return self._verifier.work

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises InvalidBundle."""
        self._verifier.feed(data)

    def close(self) -> Failure | None:
        """End the bundle. Raises InvalidBundle."""
        self._verifier.close()
        try:
            self._verifier.check_complete()
        except IncompleteBundle as error:
            return file_failure(str(error), relation=self._relation, source=self._source)
        return None


class RepositoryFile:
    """The repository of a git server, which is all there is: without it, the import stops."""

    def __init__(self, name: str) -> None:
        self._verifier = BundleVerifier(name)

    @property
    def parses(self) -> bool:
        """See BundleFile."""
        return self._verifier.in_header

    @property
    def work(self) -> int:
        """See BundleFile."""
        return self._verifier.work

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises RepositoryDamaged."""
        try:
            self._verifier.feed(data)
        except InvalidBundle as error:
            raise RepositoryDamaged(error.reason) from None

    def close(self) -> None:
        """End the bundle. Raises RepositoryDamaged and RepositoryIncomplete."""
        try:
            self._verifier.close()
            self._verifier.check_complete()
        except InvalidBundle as error:
            raise RepositoryDamaged(error.reason) from None
        except IncompleteBundle as error:
            raise RepositoryIncomplete(error.reason) from None


def file_failure(message: str, *, relation: str, source: str) -> Failure:
    """Give the failure of a file as a whole, which is left out or lacks something."""
    return Failure(
        relation=relation,
        line_number=None,
        exception_class=_ERROR,
        message=message,
        source=source,
    )


class TolerantVerifier:
    """Leaves a file out where its check, ``verifier``, fails, so that the import goes on."""

    def __init__(self, verifier: Verifier, *, relation: str, source: str) -> None:
        self.verifier = verifier
        self._relation = relation
        self._source = source
        self._error: ArchiveError | None = None

    @property
    def parses(self) -> bool:
        """See Verifier."""
        return self._error is None and self.verifier.parses

    @property
    def work(self) -> int:
        """See Verifier."""
        return self.verifier.work

    def feed(self, data: bytes) -> None:
        """Take the next bytes; they are ignored after the first error."""
        if self._error is None:
            self._try(lambda: self.verifier.feed(data))

    def close(self) -> Failure | None:
        """Give the failure, if there was an error."""
        failure = self._try(self.verifier.close) if self._error is None else None
        if self._error is None:
            return failure
        return file_failure(str(self._error), relation=self._relation, source=self._source)

    def _try(self, step: Callable[[], Failure | None]) -> Failure | None:
        try:
            return step()
        except ArchiveError as error:
            self._error = error
            return None
