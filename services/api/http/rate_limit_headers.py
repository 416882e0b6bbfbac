"""The headers ``RateLimit-*`` of responses, with GitLab's names."""

from __future__ import annotations

from contextvars import ContextVar

from aiohttp import web

from services.api.http.metrics import RequestMetrics
from shared.accounts.rate_limits import Quota

_QUOTA: ContextVar[Quota | None] = ContextVar("quota", default=None)


def forget_quota() -> None:
    """Forget the quota of an earlier request in this context."""
    _QUOTA.set(None)


def remember_quota(metrics: RequestMetrics, quota: Quota | None) -> None:
    """Remember the quota for the headers of the response, and count requests over the limit."""
    _QUOTA.set(quota)
    if quota is not None and quota.is_over:
        metrics.count_refusal(quota.name)


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Add the headers to a response, if a rate limit was counted for its request."""
    quota = _QUOTA.get()
    if quota is None:
        return
    response.headers["RateLimit-Name"] = quota.name
    response.headers["RateLimit-Limit"] = str(quota.limit)
    response.headers["RateLimit-Observed"] = str(quota.used)
    response.headers["RateLimit-Remaining"] = str(max(0, quota.limit - quota.used))
    response.headers["RateLimit-Reset"] = str(quota.reset_at)
