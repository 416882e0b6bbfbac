"""Errors of requests to addresses that users give. No message contains a credential or a query."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from http.client import responses

from yarl import URL

from shared.errors import CrossdockError, Fault
from shared.remote.masking import mask_url


class Reason(StrEnum):
    """Why an address is refused, in GitLab's words, which clients match."""

    LOCALHOST = "Requests to localhost are not allowed"
    LOOPBACK = "Requests to loopback addresses are not allowed"
    LOCAL_NETWORK = "Requests to the local network are not allowed"
    LINK_LOCAL = "Requests to the link local network are not allowed"
    SHARED = "Requests to the shared address space are not allowed"
    BROADCAST = "Requests to the limited broadcast address are not allowed"
    NOT_ALLOWED = "Requests to hosts and IP addresses not on the Allow List are denied"
    UNRESOLVED = "Host cannot be resolved or invalid"
    URI_INVALID = "URI is invalid"
    HOST_INVALID = "Hostname or IP address invalid"
    HOST_TOO_LONG = "Host is too long (maximum is 1024 characters)"


class BlockedUrl(CrossdockError):
    """Requests to the address are not permitted; ``reason`` and the message are GitLab's words."""

    code = "url_blocked"
    fault = Fault.CLIENT

    def __init__(self, reason: str) -> None:
        super().__init__(str(reason))
        self.reason = str(reason)


class SchemeRefused(BlockedUrl):
    """The scheme is not among ``schemes``."""

    def __init__(self, schemes: Sequence[str]) -> None:
        super().__init__(f"Only allowed schemes are {', '.join(schemes)}")


class HostUnresolved(BlockedUrl):
    """The name has no address, or the name server did not answer in time; a retry may help."""

    code = "host_unresolved"
    retryable = True

    def __init__(self) -> None:
        super().__init__(Reason.UNRESOLVED)


class RemoteError(CrossdockError):
    """A remote server did not do what was requested; ``url`` is masked."""

    code = "remote"
    fault = Fault.REMOTE

    def __init__(self, url: URL, what: str) -> None:
        self.url = mask_url(url)
        super().__init__(f"{self.url} {what}")


class Unreachable(RemoteError):
    """No connection could be made, or it was lost."""

    code = "remote_unreachable"
    retryable = True

    def __init__(self, url: URL, cause: str) -> None:
        super().__init__(url, f"cannot be reached: {cause}")


class CertificateRefused(RemoteError):
    """TLS failed: the certificate does not prove the server's name, or the protocols do not match."""

    code = "remote_certificate"

    def __init__(self, url: URL, cause: str) -> None:
        super().__init__(url, f"failed at TLS: {cause}")


class Unanswered(RemoteError):
    """The server did not answer before a deadline."""

    code = "remote_timeout"
    retryable = True

    def __init__(self, url: URL) -> None:
        super().__init__(url, "did not answer in time")


class TooSlow(RemoteError):
    """The server sent or accepted fewer bytes than ``rate`` a second, for longer than its grace."""

    code = "remote_slow"
    retryable = True

    def __init__(self, url: URL, rate: int) -> None:
        super().__init__(url, f"is slower than {rate} bytes a second")


class AnswerMalformed(RemoteError):
    """The answer breaks HTTP, has a header over 8 KiB or more than 128, or names a next page elsewhere."""

    code = "remote_malformed"

    def __init__(self, url: URL, cause: str) -> None:
        super().__init__(url, f"gave a malformed answer: {cause}")


class AnswerTooLarge(RemoteError):
    """The answer has more than the ``most`` bytes that one may have."""

    code = "remote_answer_too_large"

    def __init__(self, url: URL, most: int) -> None:
        super().__init__(url, f"gave an answer of more than {most} bytes")


class RedirectRefused(RemoteError):
    """The answer is a redirect, with ``status``, that is not followed."""

    code = "remote_redirect"

    def __init__(self, url: URL, status: int, cause: str) -> None:
        super().__init__(url, f"redirected with {status}: {cause}")
        self.status = status


class StatusRefused(RemoteError):
    """The answer's ``status`` is an error, and a retry would give the same.

    ``reason`` is what the body says, as ``reasons.reason_of`` gives it; it may be empty.
    """

    code = "remote_refused"

    def __init__(self, url: URL, status: int, reason: str = "") -> None:
        told = f": {reason}" if reason else ""
        super().__init__(url, f"answered {status}{_phrase(status)}{told}")
        self.status = status
        self.reason = reason


class StatusFailing(StatusRefused):
    """The answer's ``status`` is an error that may pass: 408, 429 or 5xx."""

    code = "remote_failing"
    retryable = True


class DownloadBroken(RemoteError):
    """The body ended early, at byte ``offset``."""

    code = "remote_cut"
    retryable = True

    def __init__(self, url: URL, offset: int) -> None:
        super().__init__(url, f"ended at byte {offset}, before the end")
        self.offset = offset


class ResumeRefused(RemoteError):
    """A broken download cannot resume at byte ``offset``; a new download from the start may work."""

    code = "remote_resume"
    retryable = True

    def __init__(self, url: URL, offset: int) -> None:
        super().__init__(url, f"cannot go on at byte {offset}: the file changed, or ranges are ignored")
        self.offset = offset


class AnswerEarly(RemoteError):
    """The answer says success, but came before the end of the body: the server has not got all of it."""

    code = "remote_early"

    def __init__(self, url: URL, status: int) -> None:
        super().__init__(url, f"answered {status} before it had the whole body")
        self.status = status


class LengthWrong(RemoteError):
    """The body to send does not have the promised ``length``: a bug of the caller."""

    code = "remote_length"
    fault = Fault.US

    def __init__(self, url: URL, length: int) -> None:
        super().__init__(url, f"was promised {length} bytes and would have got another number")


_PASSING = frozenset({408, 429})
_SERVER_ERROR = 500


def bad_status(url: URL, status: int, reason: str = "", *, wait: int | None = None) -> StatusRefused:
    """Make the error for a status, by which a retry helps or not, and after how many seconds."""
    passing = status in _PASSING or status >= _SERVER_ERROR
    error = (StatusFailing if passing else StatusRefused)(url, status, reason)
    error.wait = wait
    return error


def _phrase(status: int) -> str:
    """Give the standard phrase: the server's own could contain anything."""
    return f" {responses[status]}" if status in responses else ""
