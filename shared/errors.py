"""The one tree of errors.

A class says three things: its stable ``code``, whose ``fault`` it is, and whether a retry helps.
Constructors take data; the sentence is made here. Adapters translate foreign exceptions into these.
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar


class Fault(Enum):
    """Who has to act."""

    CLIENT = "client"
    ARCHIVE = "archive"
    REMOTE = "remote"
    US = "us"


class CrossdockError(Exception):
    """Root of every error that Crossdock raises on purpose."""

    code: ClassVar[str] = "internal"
    fault: ClassVar[Fault] = Fault.US
    retryable: ClassVar[bool] = False


class ArchiveError(CrossdockError):
    """The archive is broken, hostile or over a limit; reading it again gives the same answer."""

    code = "archive_invalid"
    fault = Fault.ARCHIVE


class StorageError(CrossdockError):
    """Object storage did not do what was asked."""

    code = "storage"
    fault = Fault.REMOTE
    retryable = True


class ObjectMissing(StorageError):
    """No object has this key (or it is not committed yet)."""

    code = "object_missing"
    retryable = False

    def __init__(self, key: str) -> None:
        super().__init__(f"object {key!r} does not exist")
        self.key = key


class BrokerError(CrossdockError):
    """The broker did not confirm, or cannot be reached."""

    code = "broker"
    fault = Fault.REMOTE
    retryable = True


class LeaseLost(CrossdockError):
    """Another worker holds the job now; whoever sees this stops writing."""

    code = "lease_lost"

    def __init__(self, job_id: int) -> None:
        super().__init__(f"the lease of job {job_id} is lost")
        self.job_id = job_id
