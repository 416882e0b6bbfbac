"""When a server takes the next request, by its headers ``RateLimit-*`` and Retry-After.

The names are GitLab's: https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/#response-headers
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime

LONGEST_WAIT = timedelta(minutes=10)
"""The longest wait for a server that limits requests."""

_OF_ALL_REQUESTS = "throttle_"
"""How the names of limits begin that hold for all requests; others hold for one address."""


class Throttle:
    """Holds the requests of a session back while the server has said that it takes none.

    So of many that run at a time, each waits for the limit once, and none spends its attempts on it.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._until = 0.0

    async def wait(self) -> None:
        """Wait until the next request may be sent, for ten minutes at most."""
        while (seconds := self._until - self._clock()) > 0:
            await self._sleep(seconds)

    def note(self, headers: Mapping[str, str]) -> None:
        """Note what an answer says of a limit that holds for all requests."""
        is_used_up = headers.get("RateLimit-Remaining", "").strip() == "0"
        if not is_used_up or not headers.get("RateLimit-Name", "").startswith(_OF_ALL_REQUESTS):
            return
        seconds = seconds_to_reset(headers)
        if seconds is not None and seconds <= LONGEST_WAIT.total_seconds():
            self._until = max(self._until, self._clock() + seconds)


def seconds_to_retry(headers: Mapping[str, str], *, is_limited: bool) -> float | None:
    """Return the seconds that a refusal names: of Retry-After, or else, of a 429, to the reset of the limit.

    Other answers name the reset of the limit too: it says nothing about their request.
    """
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdecimal():
        return float(value)
    moment = _moment(value)
    if moment is not None:
        return max(0.0, moment - _now(headers))
    return seconds_to_reset(headers) if is_limited else None


def seconds_to_reset(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to RateLimit-Reset, a Unix time, by the clock of the server; None without one."""
    value = headers.get("RateLimit-Reset", "").strip()
    if not (value.isascii() and value.isdecimal()):
        return None
    return max(0.0, float(value) - _now(headers))


def _now(headers: Mapping[str, str]) -> float:
    """Return the time of the answer: the clock here may be another than the server's."""
    sent = _moment(headers.get("Date", ""))
    return time.time() if sent is None else sent


def _moment(text: str) -> float | None:
    """Read an HTTP date (RFC 9110, 5.6.7)."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None
