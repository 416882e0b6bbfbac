"""The browser files of others, which ``make setup`` fetches."""

from __future__ import annotations

from services.api.console.vendoring import UnavailableError, fetch
from tests.support.prerequisites import missing


def fetched() -> None:
    """Have them, or skip the test."""
    try:
        fetch()
    except UnavailableError:
        missing("a registry of npm that can be reached for what browsers load")
