"""Errors of object storage, in the terms of the port; each adapter translates into these."""

from __future__ import annotations

from typing import ClassVar

from shared.errors import Fault, StorageError


class OperationFailed(StorageError):
    """The store could not do it at the moment (unreachable, overloaded, full): a retry may help."""

    code = "storage_failed"
    is_outage = True
    sentence = "the object storage is not available now"

    def __init__(self, operation: str, key: str, *, reason: str, cause: str = "") -> None:
        subject = f" of {key!r}" if key else ""
        super().__init__(f"{operation}{subject} failed: {reason}")
        self.operation = operation
        self.key = key
        self.cause = cause
        """The store's own code: one of S3 (``AccessDenied``) or an errno (``ENOSPC``)."""


class DiskNearlyFull(OperationFailed):
    """The disk has less free space than is wanted, in bytes: make room."""

    code = "storage_disk_nearly_full"
    sentence = "the object storage is nearly full"

    def __init__(self, path: str, *, free: int, wanted: int) -> None:
        super().__init__("check", "", reason=f"{path} has {free} bytes free, and {wanted} are wanted")
        self.free = free
        self.wanted = wanted


class OperationRefused(OperationFailed):
    """The store refuses (no permission, no bucket, wrong credentials): a retry does not help."""

    code = "storage_refused"
    retryable = False
    is_outage = False
    sentence = "the object storage refused an operation"


class KeysMissing(StorageError):
    """The bucket of a user would be opened with the keys of the service: a bug of the caller."""

    code = "storage_keys_missing"
    fault: ClassVar[Fault] = Fault.US
    retryable = False

    def __init__(self, bucket: str) -> None:
        super().__init__(f"the bucket {bucket!r} is opened without keys of its own")


class RangeOutside(StorageError):
    """The requested range is not within the object; lengths in bytes."""

    code = "storage_range"
    retryable = False
    sentence = "a file in the object storage is shorter than it was"

    def __init__(self, key: str, *, start: int, length: int, size: int) -> None:
        super().__init__(f"object {key!r} has {size} bytes: no {length} bytes from {start}")
        self.key = key


class ObjectTooLarge(StorageError):
    """The object is larger than the store can hold under one key; ``limit`` in bytes."""

    code = "storage_too_large"
    retryable = False
    sentence = "a file is larger than the object storage takes"

    def __init__(self, key: str, *, limit: int) -> None:
        super().__init__(f"object {key!r} would exceed {limit} bytes, the most this store takes")
        self.key = key
        self.limit = limit


class TooManyParts(StorageError):
    """An object that is composed would have more parts than the store takes; ``limit`` is their number."""

    code = "storage_too_many_parts"
    retryable = False

    def __init__(self, *, limit: int) -> None:
        super().__init__(f"its pieces would make more than {limit} parts, the most of one object")
        self.limit = limit


class KeyInvalid(StorageError, ValueError):
    """The key breaks the rules of the port: a bug of the caller."""

    code = "storage_key"
    fault: ClassVar[Fault] = Fault.US
    retryable = False

    def __init__(self, key: str) -> None:
        super().__init__(f"{key!r} is no object key")
        self.key = key


class WriterClosed(StorageError):
    """A write or commit after the commit or abort: a bug of the caller."""

    code = "storage_writer_closed"
    fault: ClassVar[Fault] = Fault.US
    retryable = False

    def __init__(self, key: str) -> None:
        super().__init__(f"the writer of {key!r} is closed")
        self.key = key
