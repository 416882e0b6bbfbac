"""Why GitHub gives no answer that can be used, in plain words. No message has the token."""

from __future__ import annotations

from datetime import UTC, datetime
from math import ceil

from yarl import URL

from shared.remote.errors import RemoteError


class GitHubRefused(RemoteError):
    """GitHub answered a request with an error; its subclasses say what it means.

    ``status`` is that of the answer, ``reason`` what GitHub says of it, which may be empty.
    """

    code = "github_refused"

    def __init__(self, url: URL, what: str, *, status: int, reason: str = "") -> None:
        super().__init__(url, f"{what} ({status}{_told(reason)})")
        self.status = status
        self.reason = reason


class TokenRefused(GitHubRefused):
    """GitHub knows no such token: it is wrong, expired or revoked."""

    code = "github_token_refused"

    def __init__(self, url: URL, *, status: int, reason: str = "") -> None:
        super().__init__(url, "does not accept the token", status=status, reason=reason)


class ScopeMissing(GitHubRefused):
    """GitHub knows the token, but the token may not read this.

    ``has`` and ``needs`` are scopes or permissions as GitHub names them, and empty where it names none.
    """

    code = "github_scope_missing"

    def __init__(self, url: URL, path: str, *, status: int, reason: str, has: str, needs: str) -> None:
        what = f"does not let the token read {path}{_scopes(has, needs)}"
        super().__init__(url, what, status=status, reason=reason)
        self.has = has
        self.needs = needs


class RecordMissing(GitHubRefused):
    """GitHub has nothing at this path, or hides it from the token."""

    code = "github_missing"

    def __init__(self, url: URL, path: str, *, status: int, reason: str) -> None:
        super().__init__(url, f"has no {path}, or hides it from the token", status=status, reason=reason)


class RateLimited(RemoteError):
    """GitHub takes no more requests of the token before ``until``."""

    code = "github_limit"
    retryable = True

    def __init__(self, url: URL, until: datetime) -> None:
        super().__init__(url, f"takes no more requests of the token until {until:%Y-%m-%d %H:%M:%S} UTC")
        self.until = until
        self.wait = max(1, ceil((until - datetime.now(UTC)).total_seconds()))


class PageMalformed(RemoteError):
    """The answer is no JSON, or not of the form that was asked for; it may have been cut."""

    code = "github_malformed"
    retryable = True

    def __init__(self, url: URL, path: str) -> None:
        super().__init__(url, f"gave no JSON of the form that {path} has")


def _told(reason: str) -> str:
    return f": {reason}" if reason else ""


def _scopes(has: str, needs: str) -> str:
    return f", which has {has or 'no scope'} and needs {needs}" if needs else ""
