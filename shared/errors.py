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
    """Something that nobody foresaw, and the root of every error that Crossdock raises on purpose."""

    code: str = "internal"
    fault: ClassVar[Fault] = Fault.US
    retryable: ClassVar[bool] = False


class Refusal(CrossdockError):
    """A use case does not do what it was asked to do, and says why. The kinds below say in which way."""

    code = "refusal"
    fault = Fault.CLIENT


class Unauthenticated(Refusal):
    """Nobody is known to ask, and somebody has to."""

    code = "unauthenticated"

    def __init__(self, reason: str = "Unauthorized") -> None:
        super().__init__(reason)


class Denied(Refusal):
    """It is known who asks, and that user may not do this."""

    code = "forbidden"

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason or "Forbidden")
        self.reason = reason


class Missing(Refusal):
    """What was named is not there, or is not shown to who asks."""

    code = "missing"


class NotAllowed(Refusal):
    """It is there, and cannot be done in this way."""

    code = "not_allowed"


class Invalid(Refusal):
    """A value that was given cannot be used."""

    code = "invalid"


class Conflict(Refusal):
    """It cannot be done in the present state; in another it may be."""

    code = "conflict"


class Unprocessable(Refusal):
    """It was understood, and what it needs is not so."""

    code = "unprocessable"


class TooLarge(Refusal):
    """It has more bytes than may be."""

    code = "too_large"


class TooMany(Refusal):
    """It was asked for too often, or too often at once; ``wait`` is in seconds."""

    code = "too_many"

    def __init__(self, reason: str, *, wait: int) -> None:
        super().__init__(reason)
        self.wait = wait


class TimedOut(Refusal):
    """The client sent nothing for too long, or what it asked for took too long."""

    code = "timed_out"

    def __init__(self, reason: str) -> None:
        super().__init__(f"Request Timeout: {reason}")


class Unavailable(Refusal):
    """Something that is needed is away, or busy, for the time being."""

    code = "unavailable"
    fault = Fault.US
    retryable = True

    def __init__(self) -> None:
        super().__init__("Service Unavailable")


class InternalError(CrossdockError):
    """Something went wrong that nobody foresaw; the log has it."""

    def __init__(self) -> None:
        super().__init__("Internal Server Error")


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
