"""What answers of GitHub's API mean, without I/O: pages, the limit of requests, errors.

GitHub: REST API, "Using pagination", "Rate limits", "Best practices" (conditional requests).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec
from msgspec import Raw
from yarl import URL

from shared.github.errors import (
    PageMalformed,
    RateLimited,
    RecordMissing,
    ScopeMissing,
    TokenRefused,
)
from shared.remote.document import RemoteDocument
from shared.remote.errors import RemoteError, bad_status
from shared.remote.links import next_page
from shared.remote.masking import mask_text

KEPT = 50
"""Requests of the limit that are left to others, as GitLab does."""

NOT_MODIFIED = 304
_OK = 200
_UNAUTHORIZED = 401
_FORBIDDEN = 403
_MISSING = (404, 410)
_TOO_MANY = 429

_AFTER_RESET = timedelta(seconds=5)
_UNTOLD = timedelta(minutes=1)
"""How long to wait where GitHub does not say it, as its documentation asks for."""
_LONGEST = timedelta(hours=1) + _AFTER_RESET
"""GitHub counts by the hour: whoever names a later time is not believed."""

_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{1,200}"')
_NUMBER = re.compile(r"\d{1,12}", re.ASCII)
_SCOPES = re.compile(r"[\w:, ;=/-]{1,200}", re.ASCII)
_LIMITED = re.compile(r"rate limit", re.IGNORECASE)
_LONGEST_REASON = 300

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a request went: the address of the API's host, and the path."""

    url: URL
    path: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a page that was read before: its tag, and the cursor of the page after it.

    The last page has none; only one that is not full may be seen, as the successor that a full one may get
    shows in the Link header alone, which the tag does not cover.
    """

    etag: str
    next: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list: its items, as they came, and the cursor of the next page, None after the last.

    ``is_changed`` is False where the page is as it was when it was seen; it has no items then.
    """

    items: tuple[Raw, ...]
    next: str | None
    etag: str | None
    is_changed: bool = True

    @property
    def seen(self) -> Seen | None:
        """What to ask for this page by, the next time: None for the last one, which may get a successor.

        That shows in the Link header alone, which the tag does not cover.
        """
        return Seen(self.etag, self.next) if self.etag and self.next else None


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of the limit of requests, and when it is whole again."""

    limit: int
    remaining: int
    reset: datetime

    @property
    def is_used_up(self) -> bool:
        """Whether only those are left that others are to have: 50, or half of a smaller limit."""
        return self.remaining <= min(KEPT, self.limit // 2)


def quota_of(headers: Mapping[str, str]) -> Quota | None:
    """Read the limit; None where the server has none, as GitHub Enterprise Server may be set up."""
    names = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
    limit, remaining, reset = (_number(headers, name) for name in names)
    if limit is None or remaining is None or reset is None:
        return None
    return Quota(limit, remaining, _at(reset))


def check_quota(quota: Quota | None, endpoint: Endpoint, *, now: datetime) -> None:
    """Raise RateLimited where a request has to wait."""
    if quota is not None and quota.is_used_up and quota.reset + _AFTER_RESET > now:
        raise RateLimited(endpoint.url, _bounded(quota.reset + _AFTER_RESET, now))


def check_status(answer: RemoteDocument, endpoint: Endpoint, *, token: str, now: datetime) -> None:
    """Raise what an answer means that is not 200. 5xx are StatusFailing, the rest StatusRefused."""
    if answer.status == _OK:
        return
    reason = _reason(answer.body, endpoint, token)
    until = _limited_until(answer, reason, now)
    raise RateLimited(endpoint.url, until) if until else _refusal(answer, endpoint, reason)


def page_of(answer: RemoteDocument, endpoint: Endpoint) -> Page:
    """Read a page. Raises PageMalformed, and AnswerMalformed where the next one is on another host."""
    items = decode(answer.body, tuple[Raw, ...], endpoint)
    etag = answer.headers.get("ETag", "")
    return Page(items, next_page(answer.headers, endpoint.url), etag if _ETAG.fullmatch(etag) else None)


def unchanged_page(answer: RemoteDocument, endpoint: Endpoint, seen: Seen) -> Page:
    """Make the page of a 304, which need not repeat tag and links."""
    following = next_page(answer.headers, endpoint.url) or seen.next
    return Page((), following, seen.etag, is_changed=False)


def decode(body: bytes, kind: type[T], endpoint: Endpoint) -> T:
    """Decode JSON of a kind. Raises PageMalformed."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise PageMalformed(endpoint.url, endpoint.path) from None


def _limited_until(answer: RemoteDocument, reason: str, now: datetime) -> datetime | None:
    """Give the time from which on requests are taken again; None where no limit is why this one was not."""
    if answer.status not in (_FORBIDDEN, _TOO_MANY):
        return None
    seconds = _number(answer.headers, "Retry-After")
    if seconds is not None:
        return _bounded(now + min(timedelta(seconds=seconds), _LONGEST), now)
    quota = quota_of(answer.headers)
    if quota is not None and quota.remaining == 0:
        return _bounded(quota.reset + _AFTER_RESET, now)
    is_limit = answer.status == _TOO_MANY or _LIMITED.search(reason)
    return now + _UNTOLD if is_limit else None


def _refusal(answer: RemoteDocument, endpoint: Endpoint, reason: str) -> RemoteError:
    status = answer.status
    if status == _UNAUTHORIZED:
        return TokenRefused(endpoint.url, status=status, reason=reason)
    if status == _FORBIDDEN:
        has = _scopes(answer.headers, "X-OAuth-Scopes")
        needs = _scopes(answer.headers, "X-Accepted-OAuth-Scopes", "X-Accepted-GitHub-Permissions")
        return ScopeMissing(endpoint.url, endpoint.path, status=status, reason=reason, has=has, needs=needs)
    if status in _MISSING:
        return RecordMissing(endpoint.url, endpoint.path, status=status, reason=reason)
    return bad_status(endpoint.url, status, reason)


class _Error(msgspec.Struct):
    message: str = ""


def _reason(body: bytes, endpoint: Endpoint, token: str) -> str:
    """Give what GitHub says of an error, in one line, at most 300 characters, without the token."""
    try:
        told = msgspec.json.decode(body, type=_Error).message
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    shown = mask_text(told.replace(token, "*****"), endpoint.url)
    printable = "".join(each if each.isprintable() else " " for each in shown)
    return " ".join(printable.split())[:_LONGEST_REASON]


def _scopes(headers: Mapping[str, str], *names: str) -> str:
    told = (headers.get(name, "").strip() for name in names)
    return next((each for each in told if _SCOPES.fullmatch(each)), "")


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name, "")
    return int(text) if _NUMBER.fullmatch(text) else None


def _at(epoch: int) -> datetime:
    """Give the time of a POSIX time stamp, the last that can be told where it is later."""
    try:
        return datetime.fromtimestamp(epoch, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.max.replace(tzinfo=UTC) - _LONGEST


def _bounded(until: datetime, now: datetime) -> datetime:
    """Bound a time that GitHub told: it is ahead, even if the clocks differ, and no further than an hour."""
    return min(until, now + _LONGEST) if until > now else now + _UNTOLD
