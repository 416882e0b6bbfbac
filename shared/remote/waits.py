"""How long a server asks its clients to wait, by ``Retry-After`` or by its limit of requests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import ceil

LONGEST = 3600
"""Seconds that a server may ask for: whoever names a later time is not believed."""

_NUMBER = re.compile(r"\d{1,12}", re.ASCII)


def told_wait(headers: Mapping[str, str], *, now: datetime | None = None) -> int | None:
    """Give the seconds to wait for, 1 to 3600; None where the answer names none.

    ``RateLimit-Reset`` counts where ``RateLimit-Remaining`` is 0; GitLab has a time stamp there.
    """
    at = now or datetime.now(UTC)
    told = headers.get("Retry-After", "").strip()
    seconds = int(told) if _NUMBER.fullmatch(told) else _until_date(told, at)
    if seconds is None and headers.get("RateLimit-Remaining", "").strip() == "0":
        seconds = _until_reset(headers.get("RateLimit-Reset", "").strip(), at)
    return None if seconds is None else min(max(1, seconds), LONGEST)


def _until_date(text: str, now: datetime) -> int | None:
    try:
        date = parsedate_to_datetime(text)
        return ceil((date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _until_reset(text: str, now: datetime) -> int | None:
    return int(text) - int(now.timestamp()) if _NUMBER.fullmatch(text) else None
