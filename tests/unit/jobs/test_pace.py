from __future__ import annotations

from shared.jobs.pace import Pace
from shared.jobs.progress import Progress


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def _after(
    pace: Pace, clock: Clock, progress: Progress, *, seconds: float, moved: int
) -> tuple[object, object]:
    clock.now += seconds
    progress.bytes_done += moved
    report = pace.report()
    return report["rate_bytes_per_second"], report["seconds_left"]


def test_the_rate_is_that_of_the_last_seconds() -> None:
    clock, progress = Clock(), Progress(bytes_total=10_000)
    pace = Pace(progress, clock=clock)
    assert _after(pace, clock, progress, seconds=1, moved=100) == (100, 99)
    for _ in range(5):
        _after(pace, clock, progress, seconds=1, moved=500)
    assert _after(pace, clock, progress, seconds=1, moved=500) == (500, 14)
    for _ in range(5):
        told = _after(pace, clock, progress, seconds=1, moved=0)
    assert told == (0, None)


def test_what_nobody_moves_has_no_rate() -> None:
    clock, progress = Clock(), Progress()
    pace = Pace(progress, clock=clock)
    progress.planned_bytes = 7000
    assert _after(pace, clock, progress, seconds=1, moved=7000) == (0, None)


def test_bytes_that_are_counted_anew_have_no_rate() -> None:
    clock, progress = Clock(), Progress(bytes_done=100, bytes_total=200)
    pace = Pace(progress, clock=clock)
    assert _after(pace, clock, progress, seconds=1, moved=-50) == (None, None)
    assert _after(pace, clock, progress, seconds=0, moved=0) == (None, None)


def test_where_nobody_knows_the_total_nobody_knows_what_is_left() -> None:
    clock, progress = Clock(), Progress()
    pace = Pace(progress, clock=clock)
    assert _after(pace, clock, progress, seconds=1, moved=100) == (100, None)


def test_samples_are_bounded() -> None:
    clock, progress = Clock(), Progress()
    pace = Pace(progress, clock=clock)
    for _ in range(1000):
        _after(pace, clock, progress, seconds=0.001, moved=1)
    assert len(pace._samples) == 64
