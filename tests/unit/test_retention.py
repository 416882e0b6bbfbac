"""What nothing needs any more does not stay for long."""

from __future__ import annotations

from datetime import timedelta

from services.process import maintenance
from shared.settings.environment import Settings


def test_what_nothing_names_is_collected_within_an_hour_by_default() -> None:
    settings = Settings()
    grace = timedelta(seconds=settings.collect_grace_seconds)
    seldom = timedelta(seconds=settings.sweep_seconds) * maintenance._SELDOM
    # Its snapshot goes in one round, it is marked a grace time later, and goes another one after that.
    assert 2 * grace + 3 * seldom < timedelta(hours=1)
