"""Conditional requests (RFC 9110, section 13)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from http import HTTPStatus


def validators(etag: str, modified_at: datetime) -> dict[str, str]:
    """Make the headers by which clients ask conditionally later; ``etag`` includes its quotes."""
    modified = format_datetime(modified_at.replace(microsecond=0), usegmt=True)
    return {"ETag": etag, "Last-Modified": modified}


def find_unmet_condition(
    headers: Mapping[str, str], *, etag: str, modified_at: datetime
) -> HTTPStatus | None:
    """Return the status for the first condition that is false, in the order of the RFC; None if all are true.

    ``etag`` includes its quotes. Times are compared in whole seconds.
    """
    modified_at = modified_at.replace(microsecond=0)
    if "If-Match" in headers:
        if not _names(headers["If-Match"], etag):
            return HTTPStatus.PRECONDITION_FAILED
    elif (since := _moment(headers.get("If-Unmodified-Since"))) and modified_at > since:
        return HTTPStatus.PRECONDITION_FAILED
    if "If-None-Match" in headers:
        return HTTPStatus.NOT_MODIFIED if is_unchanged(headers, etag) else None
    since = _moment(headers.get("If-Modified-Since"))
    return HTTPStatus.NOT_MODIFIED if since and modified_at <= since else None


def is_unchanged(headers: Mapping[str, str], etag: str) -> bool:
    """Return whether the client has the version with this ``etag`` (weak comparison)."""
    return _names(headers.get("If-None-Match", ""), etag, weakly=True)


def _names(tags: str, etag: str, *, weakly: bool = False) -> bool:
    known = [tag.strip() for tag in tags.split(",")]
    if weakly:
        known, etag = [tag.removeprefix("W/") for tag in known], etag.removeprefix("W/")
    return etag in known or "*" in known


def _moment(text: str | None) -> datetime | None:
    """Read a date; None if it is missing or invalid, as the RFC requires."""
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
