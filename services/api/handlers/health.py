"""Health, as GitLab tells it to load balancers."""

from __future__ import annotations

import asyncio

import structlog
from aiohttp import web

from services.api.dependencies import DEPENDENCIES, Check, Dependencies
from services.api.responses import json_response
from shared.database.check import check as check_database
from shared.errors import CrossdockError

_DEADLINE = 5.0
"""Seconds that a check may take."""

_log = structlog.get_logger()


async def health(_request: web.Request) -> web.Response:
    """GET /-/health: the process answers."""
    return web.Response(text="GitLab OK")


async def liveness(_request: web.Request) -> web.Response:
    """GET /-/liveness: the process need not be started again."""
    return json_response({"status": "ok"})


async def readiness(request: web.Request) -> web.Response:
    """GET /-/readiness: 503 while draining and, with ``all=1``, where something cannot be used."""
    dependencies = request.app[DEPENDENCIES]
    results = {"master_check": not dependencies.readiness.draining}
    if request.query.get("all") == "1":
        checks = _checks(dependencies)
        results |= dict(zip(checks, await asyncio.gather(*map(_passes, checks.values())), strict=True))
    passed = all(results.values())
    details = {name: [{"status": _word(passes=passes)}] for name, passes in results.items()}
    return json_response({"status": _word(passes=passed), **details}, status=200 if passed else 503)


def _word(*, passes: bool) -> str:
    return "ok" if passes else "failed"


def _checks(dependencies: Dependencies) -> dict[str, Check]:
    return {
        "db_check": lambda: check_database(dependencies.pool),
        "queue_check": dependencies.broker.check,
        "storage_check": dependencies.store.check,
    }


async def _passes(check: Check) -> bool:
    try:
        async with asyncio.timeout(_DEADLINE):
            await check()
    except (CrossdockError, TimeoutError):
        _log.warning("check_failed", exc_info=True)
        return False
    return True


PUBLIC = frozenset({health, liveness, readiness})
"""Answered without asking who asks."""
