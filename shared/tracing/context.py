"""The current trace, as it is handed on: in the row of a job, in messages, in log lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from structlog.contextvars import bound_contextvars

_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_current: ContextVar[str | None] = ContextVar("traceparent", default=None)


def valid_traceparent(given: str | None) -> str | None:
    """Give the caller's ``traceparent`` where it is valid (W3C Trace Context, section 3.2), else None."""
    return given if given and _TRACEPARENT.fullmatch(given) else None


def current_traceparent() -> str | None:
    """Give the ``traceparent`` to hand on."""
    return _current.get()


@contextmanager
def continue_trace(traceparent: str | None) -> Iterator[None]:
    """Let a block, and its log lines, belong to a trace; nothing changes where ``traceparent`` is None."""
    found = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if found is None:
        yield
        return
    token = _current.set(traceparent)
    try:
        with bound_contextvars(trace_id=found[1]):
            yield
    finally:
        _current.reset(token)
