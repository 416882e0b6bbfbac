"""How fast an attempt moves bytes now, and when it has moved all of them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from math import ceil

from shared.jobs.progress import Progress

_WINDOW = 5.0
"""The seconds whose mean a rate is: enough to be calm, and few enough to tell that nothing moves."""

_FEWEST_SAMPLES = 2
_MOST_SAMPLES = 64
RATE, SECONDS_LEFT = "rate_bytes_per_second", "seconds_left"
"""The members of a running job's progress."""


class Pace:
    """Samples the bytes of an attempt at each heartbeat; at most 64 samples are kept."""

    def __init__(self, progress: Progress, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._progress = progress
        self._clock = clock
        self._samples = deque([(clock(), self._moved)], maxlen=_MOST_SAMPLES)

    @property
    def _moved(self) -> int:
        return self._progress.bytes_done - self._progress.planned_bytes

    def report(self) -> dict[str, int | None]:
        """Take a sample; give the rate of the last seconds, and the seconds that are left by it."""
        now = self._clock()
        self._samples.append((now, self._moved))
        while len(self._samples) > _FEWEST_SAMPLES and self._samples[1][0] <= now - _WINDOW:
            self._samples.popleft()
        rate = self._rate()
        return {RATE: rate, SECONDS_LEFT: self._seconds_left(rate)}

    def _rate(self) -> int | None:
        (since, before), (until, after) = self._samples[0], self._samples[-1]
        return round((after - before) / (until - since)) if until > since and after >= before else None

    def _seconds_left(self, rate: int | None) -> int | None:
        left = self._progress.bytes_total - self._progress.bytes_done
        return ceil(left / rate) if rate and left > 0 else None
