"""Checks of single files while their bytes stream by.

``feed`` takes the bytes; ``close`` ends them. Either raises an ArchiveError where the whole import must
stop, and ``close`` gives a Failure where only this file is left out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Protocol

import msgspec

from services.importer.failures import Failure
from shared.errors import ArchiveError
from shared.git.bundle import BundleVerifier

DOCUMENT_LIMIT = 50 * 1024 * 1024
"""Bytes of a document that is held in memory to be understood, as in GitLab."""

_VERSION = "0.2.4"
_LFS_TYPES = frozenset({0, 1, 2, None})


class VersionMismatch(ArchiveError):
    """The archive is of another format (GitLab's text)."""

    code = "version_mismatch"

    def __init__(self, found: str) -> None:
        super().__init__(f"Import version mismatch: Required {_VERSION} but was {found}")


class InvalidDocument(ArchiveError):
    """A JSON document of the archive cannot be read (GitLab's text, and where)."""

    code = "invalid_document"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"Incorrect JSON format ({name}: {reason})")


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

    def close(self) -> Failure | None:
        """Never a failure."""
        return None


class Version:
    """VERSION: the first ``d.d.d`` in the first 128 characters of the first line must be 0.2.4."""

    def __init__(self) -> None:
        self._start = b""

    def feed(self, data: bytes) -> None:
        """Keep the first line's start."""
        self._start = (self._start + data[:128])[:128]

    def close(self) -> Failure | None:
        """Raise VersionMismatch."""
        line = self._start.split(b"\n", 1)[0].decode(errors="replace").strip()
        found = re.search(r"\d+\.\d+\.\d+", line)
        if found is None or found[0] != _VERSION:
            raise VersionMismatch(found[0] if found else repr(line))
        return None


class ProjectAttributes(msgspec.Struct, frozen=True):
    """What the import itself takes from tree/project.json; types are checked loosely on purpose."""

    description: object = None
    visibility_level: object = None


class ProjectDocument:
    """tree/project.json: one JSON object."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._document = Document(name)
        self.attributes = ProjectAttributes()

    def feed(self, data: bytes) -> None:
        """Keep the bytes."""
        self._document.feed(data)

    def close(self) -> Failure | None:
        """Understand them. Raises InvalidDocument."""
        try:
            self.attributes = msgspec.json.decode(self._document.bytes(), type=ProjectAttributes)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise InvalidDocument(self._name, str(error)) from error
        return None


class Document:
    """A small file, kept whole. Raises InvalidDocument over 50 MiB."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._data = bytearray()

    def feed(self, data: bytes) -> None:
        """Keep the bytes."""
        self._data += data
        if len(self._data) > DOCUMENT_LIMIT:
            raise InvalidDocument(self._name, f"over the limit of {DOCUMENT_LIMIT} bytes")

    def bytes(self) -> bytes:
        """Give what was kept."""
        return bytes(self._data)


class LfsIndex:
    """lfs-objects.json: ``{OID: [repository types]}``. Without it, objects belong to the project itself."""

    def __init__(self, name: str) -> None:
        self._document = Document(name)

    def feed(self, data: bytes) -> None:
        """Keep the bytes."""
        self._document.feed(data)

    def close(self) -> Failure | None:
        """Give the failure of ``lfs_objects`` where it is not such an object."""
        try:
            index = msgspec.json.decode(self._document.bytes(), type=dict[str, list[int | None]])
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            return _lfs_failure("JSON::ParserError", f"Incorrect JSON format (lfs-objects.json: {error})")
        for oid, types in index.items():
            if not _LFS_TYPES.issuperset(types):
                return _lfs_failure("ArgumentError", f"unknown repository type of {oid[:64]}: {types[:8]}")
        return None


class LfsObject:
    """An LFS object: its name is the SHA-256 of its bytes."""

    def __init__(self, oid: str) -> None:
        self._oid = oid
        self._digest = hashlib.sha256()

    def feed(self, data: bytes) -> None:
        """Hash the bytes."""
        self._digest.update(data)

    def close(self) -> Failure | None:
        """Give the failure of ``lfs_objects`` where the digest is another."""
        found = self._digest.hexdigest()
        if found == self._oid:
            return None
        return _lfs_failure("Gitlab::ImportExport::Error", f"LFS object {self._oid} has the SHA-256 {found}")


def _lfs_failure(exception_class: str, message: str) -> Failure:
    return Failure(
        relation="lfs_objects",
        line_number=None,
        exception_class=exception_class,
        message=message,
        source="LfsRestorer#restore",
    )


class Bundle:
    """A repository of the project itself: a bad one stops the import."""

    def __init__(self, name: str) -> None:
        self._verifier = BundleVerifier(name)

    def feed(self, data: bytes) -> None:
        """See the bytes. Raises InvalidBundle."""
        self._verifier.feed(data)

    def close(self) -> Failure | None:
        """Raise InvalidBundle."""
        self._verifier.close()
        return None


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
