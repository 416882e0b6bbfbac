"""Health, as GitLab tells it to load balancers."""

from __future__ import annotations

from aiohttp import web

from services.api.dependencies import DEPENDENCIES
from services.api.http.responses import json_response
from services.process import health as told


async def health(_request: web.Request) -> web.Response:
    """GET /-/health: the process answers."""
    return web.Response(text="GitLab OK")


async def liveness(_request: web.Request) -> web.Response:
    """GET /-/liveness: the process need not be started again."""
    return json_response(told.ALIVE)


async def readiness(request: web.Request) -> web.Response:
    """GET /-/readiness: 503 while draining, without the database and, with ``all=1``, whatever is away."""
    dependencies = request.app[DEPENDENCIES]
    checks = told.checks(dependencies.pool, dependencies.store, broker=dependencies.broker)
    everything = request.query.get("all") == "1"
    status, document = await told.readiness(dependencies.readiness, checks, everything=everything)
    return json_response(document, status=status)


PUBLIC = frozenset({health, liveness, readiness})
"""Answered without asking who asks."""
