"""Why a peer does not do what it is asked for, in plain words. No message has the token."""

from __future__ import annotations

from yarl import URL

from shared.remote.errors import RemoteError

UNTOLD = 60
"""Seconds to wait where a peer limits requests and names no time: GitLab counts by the minute."""


class PeerRefused(RemoteError):
    """The peer answered a request with an error; its subclasses say what it means.

    ``status`` is that of the answer, ``reason`` what the peer says of it, which may be empty.
    """

    code = "peer_refused"

    def __init__(self, url: URL, what: str, *, status: int, reason: str = "") -> None:
        super().__init__(url, f"{what} ({status}{f': {reason}' if reason else ''})")
        self.status = status
        self.reason = reason


class PeerTokenRefused(PeerRefused):
    """The peer knows no such token: it is wrong, expired or revoked."""

    code = "peer_token_refused"

    def __init__(self, url: URL, *, status: int = 401, reason: str = "") -> None:
        super().__init__(url, "does not accept the token", status=status, reason=reason)


class PeerForbidden(PeerRefused):
    """The peer does not let the token do this: its scope is too small, or the role of its user."""

    code = "peer_forbidden"

    def __init__(self, url: URL, path: str, *, status: int, reason: str) -> None:
        super().__init__(url, f"does not let the token use {path}", status=status, reason=reason)


class PeerRecordMissing(PeerRefused):
    """The peer has nothing at this path, or hides it from the token."""

    code = "peer_missing"

    def __init__(self, url: URL, path: str, *, status: int, reason: str) -> None:
        super().__init__(url, f"has no {path}, or hides it from the token", status=status, reason=reason)


class PeerFailing(PeerRefused):
    """The peer failed at a request, by 408 or 5xx; a retry may help."""

    code = "peer_failing"
    retryable = True

    def __init__(self, url: URL, *, status: int, reason: str, wait: int | None) -> None:
        super().__init__(url, "fails", status=status, reason=reason)
        self.wait = wait


class PeerLimited(RemoteError):
    """The peer takes no more requests of this kind for ``wait`` seconds."""

    code = "peer_limit"
    retryable = True

    def __init__(self, url: URL, wait: int | None) -> None:
        self.wait = wait or UNTOLD
        super().__init__(url, f"takes no more such requests of the token for {self.wait} s")


class PeerMalformed(RemoteError):
    """The answer is no JSON, or not of the form that GitLab has at this path; it may have been cut."""

    code = "peer_malformed"
    retryable = True

    def __init__(self, url: URL, path: str) -> None:
        super().__init__(url, f"gave no JSON of the form that {path} has")


class PeerListTooLong(RemoteError):
    """A list of projects of the peer has more than ``most`` of them."""

    code = "peer_list_too_long"

    def __init__(self, url: URL, most: int) -> None:
        super().__init__(url, f"has more than {most} projects there: name a group or a list")
