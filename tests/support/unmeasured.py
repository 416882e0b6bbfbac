"""Blocks and tests whose coverage is not measured: it would take long, and tell nothing new."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import pytest
from coverage import Coverage

_FOLDERS = ("tests/e2e/", "tests/deploy/")
"""Where Crossdock runs in processes of its own, so that the test's process is a client."""


def measured_as_asked(item: pytest.Item) -> AbstractContextManager[None]:
    """Give the block for a test to run in; ``make coverage`` measures every one, in all processes.

    The marker ``unmeasured`` is for tests that run the same lines thousands of times.
    """
    everything = bool(os.environ.get("MEASURE_PROCESSES"))
    repeats = item.get_closest_marker("unmeasured") is not None
    if everything or not (repeats or item.nodeid.startswith(_FOLDERS)):
        return nullcontext()
    return unmeasured()


@contextmanager
def unmeasured() -> Iterator[None]:
    """Leave out what runs in the block: measuring it would take longer than the thing itself."""
    running = Coverage.current()
    if running is None:
        yield
        return
    running.stop()
    try:
        yield
    finally:
        running.start()
