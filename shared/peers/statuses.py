"""What the status of a peer's answer means, without I/O, and what the peer says of an error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import msgspec
from yarl import URL

from shared.peers.errors import (
    PeerFailing,
    PeerForbidden,
    PeerLimited,
    PeerMalformed,
    PeerRecordMissing,
    PeerRefused,
    PeerTokenRefused,
)
from shared.remote.document import RemoteDocument
from shared.remote.errors import RemoteError
from shared.remote.masking import mask_text
from shared.remote.waits import told_wait

LONGEST_REASON = 300
"""Characters of what a peer says of an error, at most."""

_OK = range(200, 300)
_UNAUTHORIZED, _FORBIDDEN, _TIMEOUT, _TOO_MANY, _UNAVAILABLE = 401, 403, 408, 429, 503
_MISSING = (404, 410)
_SERVER_ERROR = 500
_DEEPEST = 4
"""Levels of an error's JSON that are read: GitLab has ``{"message": {"name": ["is taken"]}}``."""

T = TypeVar("T")


def check_status(answer: RemoteDocument, url: URL, *, token: str) -> None:
    """Raise what an answer means that is not 2xx."""
    if answer.status not in _OK:
        reason = reason_of(answer.body, url, token=token)
        raise refusal(url, answer.status, reason=reason, wait=told_wait(answer.headers))


def refusal(url: URL, status: int, *, reason: str, wait: int | None) -> RemoteError:
    """Make the error of a status, with what the peer says of it, and how many seconds it asks to wait."""
    if status == _TOO_MANY or (status == _UNAVAILABLE and wait is not None):
        return PeerLimited(url, wait)
    if status == _UNAUTHORIZED:
        return PeerTokenRefused(url, status=status, reason=reason)
    if status == _FORBIDDEN:
        return PeerForbidden(url, url.path, status=status, reason=reason)
    if status in _MISSING:
        return PeerRecordMissing(url, url.path, status=status, reason=reason)
    if status == _TIMEOUT or status >= _SERVER_ERROR:
        return PeerFailing(url, status=status, reason=reason, wait=wait)
    return PeerRefused(url, "refuses the request", status=status, reason=reason)


def reason_of(body: bytes, url: URL, *, token: str) -> str:
    """Give what the peer says of an error in one line, at most 300 characters, without the token.

    GitLab has a text, lists of texts by the names of fields, or both below ``message`` or ``error``.
    """
    try:
        told = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    found = told if not isinstance(told, dict) else told.get("message") or told.get("error") or ""
    more = told.get("error_description") if isinstance(told, dict) else None
    text = "; ".join(_texts([found, more], depth=_DEEPEST))
    return shown(text, url, token=token)


def shown(text: str, url: URL, *, token: str) -> str:
    """Give a text of the peer in one line, at most 300 characters, without the token and addresses."""
    masked = mask_text(text.replace(token, "*****"), url.origin())  # words of the path are GitLab's
    printable = "".join(each if each.isprintable() else " " for each in masked)
    return " ".join(printable.split())[:LONGEST_REASON]


def _texts(told: object, *, depth: int) -> Iterator[str]:
    if isinstance(told, str):
        yield told
    elif depth and isinstance(told, list):
        for each in told:
            yield from _texts(each, depth=depth - 1)
    elif depth and isinstance(told, dict):
        for name, each in told.items():
            words = ", ".join(_texts(each, depth=depth - 1))
            yield words if name in ("error", "base") else f"{name} {words}"


def decode(body: bytes, kind: type[T], url: URL) -> T:
    """Decode JSON of a kind. Raises PeerMalformed."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise PeerMalformed(url, url.path) from None
