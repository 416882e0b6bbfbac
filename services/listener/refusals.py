"""Answers to connections that were not admitted: nobody has read a request of theirs."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from services.listener.connection import Ending

_SOON = 10
"""Seconds after which a client may try again."""

_REFUSALS = {
    Ending.SHARE: (HTTPStatus.TOO_MANY_REQUESTS, "over the limit of connections of one address\n"),
    Ending.FULL: (HTTPStatus.SERVICE_UNAVAILABLE, "over the limit of connections\n"),
}


def refusal_of(ending: Ending, headers: Mapping[str, str]) -> bytes:
    """Return the whole answer to a connection that was refused."""
    status, text = _REFUSALS[ending]
    head = {
        **headers,
        "Content-Type": "text/plain",
        "Content-Length": str(len(text)),
        "Retry-After": str(_SOON),
        "Connection": "close",
    }
    lines = [f"HTTP/1.1 {status} {status.phrase}", *(f"{name}: {value}" for name, value in head.items())]
    return "\r\n".join([*lines, "", text]).encode()
