"""The one tree of errors.

A class says three things: its stable ``code``, whose ``fault`` it is, and whether a retry helps. Constructors
take data and make the message from it, which is for the log: where that names what is ours (an object, an
address), ``sentence`` is what users are told instead. Adapters translate foreign exceptions into these.
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
    """An unexpected error, and the root of every error that Crossdock raises on purpose."""

    code: str = "internal"
    fault: ClassVar[Fault] = Fault.US
    retryable: ClassVar[bool] = False
    is_outage: ClassVar[bool] = False
    """Whether a server of ours is away or full: who meets that did nothing wrong, and may go on later."""
    sentence: ClassVar[str] = ""
    wait: int | None = None
    """Seconds after which a retry may help, where they are known."""
    counts: bool = True
    """Whether the attempt that ends by it is one of those that a job has: not where it got further before."""

    @property
    def shown(self) -> str:
        """What users are told: the sentence of the class, or the message where it has none."""
        return self.sentence or str(self)


class Refusal(CrossdockError):
    """A use case refuses a request, with a reason. Its subclasses are the kinds of refusals."""

    code = "refusal"
    fault = Fault.CLIENT


class Unauthenticated(Refusal):
    """The request has no valid credentials, and needs them."""

    code = "unauthenticated"

    def __init__(self, reason: str = "Unauthorized") -> None:
        super().__init__(reason)


class Denied(Refusal):
    """The user is known, and may not do this."""

    code = "forbidden"

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason or "Forbidden")
        self.reason = reason


class Missing(Refusal):
    """The named resource does not exist, or is hidden from the user."""

    code = "missing"


class NotAllowed(Refusal):
    """The resource exists, and does not allow this operation."""

    code = "not_allowed"


class Invalid(Refusal):
    """A value in the request is not valid."""

    code = "invalid"


class Conflict(Refusal):
    """The present state does not allow it; another state may."""

    code = "conflict"


class Unprocessable(Refusal):
    """The request is valid, and a precondition for it is missing."""

    code = "unprocessable"


class TooLarge(Refusal):
    """The content has more bytes than the limit."""

    code = "too_large"


class TooMany(Refusal):
    """There were too many requests, or too many at once; ``wait`` is in seconds."""

    code = "too_many"

    def __init__(self, reason: str, *, wait: int) -> None:
        super().__init__(reason)
        self.wait = wait


class TimedOut(Refusal):
    """The client sent too little for too long, or the request took too long."""

    code = "timed_out"

    def __init__(self, reason: str) -> None:
        super().__init__(f"Request Timeout: {reason}")


class Unavailable(Refusal):
    """Something that the request needs is temporarily unavailable or busy."""

    code = "unavailable"
    fault = Fault.US
    retryable = True

    def __init__(self, reason: str = "") -> None:
        super().__init__(f"Service Unavailable: {reason}" if reason else "Service Unavailable")


class InternalError(CrossdockError):
    """An unexpected error; the log has it."""

    def __init__(self) -> None:
        super().__init__("Internal Server Error")


class ArchiveError(CrossdockError):
    """The archive is broken, hostile or over a limit; reading it again gives the same error."""

    code = "archive_invalid"
    fault = Fault.ARCHIVE


class StorageError(CrossdockError):
    """An operation on object storage failed."""

    code = "storage"
    fault = Fault.REMOTE
    retryable = True
    sentence = "an operation of the object storage failed"


class ObjectMissing(StorageError):
    """There is no committed object with this key."""

    code = "object_missing"
    retryable = False
    sentence = "the object storage has lost a file"

    def __init__(self, key: str) -> None:
        super().__init__(f"object {key!r} does not exist")
        self.key = key


class BrokerError(CrossdockError):
    """The broker did not confirm, or cannot be reached."""

    code = "broker"
    fault = Fault.REMOTE
    retryable = True
    is_outage = True
    sentence = "the message broker is not available now"


class LeaseLost(CrossdockError):
    """Another worker holds the job now, or it has ended; the loser must stop writing."""

    code = "lease_lost"

    def __init__(self, job_id: int) -> None:
        super().__init__(f"the lease of job {job_id} is lost")
        self.job_id = job_id
