"""Health checks for load balancers, in GitLab's form."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from services.api.http.responses import json_response
from services.process import health as process_health
from services.process.health import Readiness
from shared.broker.base import Broker
from shared.database.pool import Pool
from shared.storage.base import ObjectStore


@dataclass(frozen=True, slots=True)
class Health:
    """The ports to check, and the readiness of the process."""

    pool: Pool
    store: ObjectStore
    broker: Broker
    readiness: Readiness


HEALTH = web.AppKey("health", Health)


async def health(_request: web.Request) -> web.Response:
    """GET /-/health: 200 while the process responds."""
    return web.Response(text="GitLab OK")


async def liveness(_request: web.Request) -> web.Response:
    """GET /-/liveness: 200 while the process does not need a restart."""
    return json_response(process_health.ALIVE)


async def readiness(request: web.Request) -> web.Response:
    """GET /-/readiness: 503 while draining, or if the database or, with ``all=1``, any server fails."""
    now = request.app[HEALTH]
    checks = process_health.make_checks(now.pool, now.store, broker=now.broker)
    everything = request.query.get("all") == "1"
    status, document = await process_health.check_readiness(now.readiness, checks, everything=everything)
    return json_response(document, status=status)
