"""Blocks that the tracer of ``make coverage`` leaves out: they would take long, and tell nothing new."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from coverage import Coverage


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
