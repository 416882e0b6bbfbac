"""The least rate of a remote: it may be slow for a while, but not for as long as it likes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from yarl import URL

from shared.credit import Credit
from shared.remote.errors import TooSlow

Clock = Callable[[], float]
"""Gives seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeastRate:
    """``rate`` is in bytes a second; a remote that moves none is given up after ``grace``."""

    rate: int = 16 * 1024
    grace: timedelta = timedelta(minutes=5)


class Pace:
    """Counts the waits for one remote, and the bytes that it sent or accepted in them.

    What we take ourselves between two waits does not count.
    """

    def __init__(self, least: LeastRate, url: URL, *, clock: Clock = time.monotonic) -> None:
        self._least = least
        self._url = url
        self._clock = clock
        self._credit = Credit(rate=least.rate, most=least.grace.total_seconds())
        self._began = clock()

    def begin(self) -> None:
        """Begin a wait."""
        self._began = self._clock()

    def end(self, count: int) -> None:
        """End the wait, in which the remote moved ``count`` bytes. Raises TooSlow."""
        self._credit.spend(self._clock() - self._began)
        self._credit.earn(count)
        if self._credit.is_out:
            raise TooSlow(self._url, self._least.rate)
