"""Sends the correlation id with requests to S3, so that the server's access logs show it."""

from __future__ import annotations

import re
from typing import Any

from structlog.contextvars import get_contextvars

_LONGEST = 128
_UNSAFE = re.compile(r"[^!-~]")


def name_request(request: Any, **_: object) -> None:  # noqa: ANN401  # botocore's, of several types
    """Append ``correlation-id/...`` to the User-Agent: every S3 logs it, and no signature covers it.

    botocore calls this for each attempt (``before-send``), after it has signed.
    """
    agent = request.headers["User-Agent"]
    request.headers["User-Agent"] = with_correlation_id(agent.decode() if isinstance(agent, bytes) else agent)


def with_correlation_id(agent: str) -> str:
    """Append ``correlation-id/...`` to the name of a client, where there is one."""
    correlation_id = get_contextvars().get("correlation_id")
    return f"{agent} correlation-id/{_safe(str(correlation_id))}" if correlation_id else agent


def _safe(correlation_id: str) -> str:
    """Shorten and clean an id that other systems may have sent: it must not end the header."""
    return _UNSAFE.sub("_", correlation_id)[:_LONGEST]
