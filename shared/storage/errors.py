"""What goes wrong in a store, in the words of the port; each adapter translates into these."""

from __future__ import annotations

from typing import ClassVar

from shared.errors import Fault, StorageError


class OperationFailed(StorageError):
    """The store could not do it now (unreachable, overloaded, full): trying again may help."""

    code = "storage_failed"

    def __init__(self, operation: str, key: str, *, reason: str, cause: str = "") -> None:
        subject = f" of {key!r}" if key else ""
        super().__init__(f"{operation}{subject} failed: {reason}")
        self.operation = operation
        self.key = key
        self.cause = cause
        """What the store itself calls it: a code of S3 (``AccessDenied``) or an errno (``ENOSPC``)."""


class OperationRefused(OperationFailed):
    """The store will not do it (no permission, no bucket, wrong credentials): it stays so."""

    code = "storage_refused"
    retryable = False


class RangeOutside(StorageError):
    """A range was asked for that the object does not have; lengths in bytes."""

    code = "storage_range"
    retryable = False

    def __init__(self, key: str, *, start: int, length: int, size: int) -> None:
        super().__init__(f"object {key!r} has {size} bytes: no {length} bytes from {start}")
        self.key = key


class ObjectTooLarge(StorageError):
    """The object outgrew what the store can hold under one key; ``limit`` in bytes."""

    code = "storage_too_large"
    retryable = False

    def __init__(self, key: str, *, limit: int) -> None:
        super().__init__(f"object {key!r} would exceed {limit} bytes, the most this store takes")
        self.key = key
        self.limit = limit


class KeyInvalid(StorageError, ValueError):
    """The key breaks the rules of the port; the caller has a bug."""

    code = "storage_key"
    fault: ClassVar[Fault] = Fault.US
    retryable = False

    def __init__(self, key: str) -> None:
        super().__init__(f"{key!r} is no object key")
        self.key = key


class WriterClosed(StorageError):
    """Written to, or committed, after its commit or abort; the caller has a bug."""

    code = "storage_writer_closed"
    fault: ClassVar[Fault] = Fault.US
    retryable = False

    def __init__(self, key: str) -> None:
        super().__init__(f"the writer of {key!r} is closed")
        self.key = key
