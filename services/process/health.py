"""Health, as GitLab tells it to load balancers: the api on its port, every service on that of its metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from shared.broker.base import Broker
from shared.database.check import check as check_database
from shared.database.pool import Pool
from shared.errors import CrossdockError
from shared.storage.base import ObjectStore

_DEADLINE = 5.0
"""Seconds that a check may take."""

_VITAL = "db_check"
"""Without it nothing can be done; without the others most things can, or wait."""

ALIVE = {"status": "ok"}
"""The process need not be started again."""

_log = structlog.get_logger()

Check = Callable[[], Awaitable[object]]


class Readiness:
    """Whether requests, or jobs, should be sent here: until ``drain``."""

    def __init__(self) -> None:
        self.draining = False

    def drain(self) -> None:
        """Answer 503 from now on, so that nothing new is sent here."""
        self.draining = True


def checks(pool: Pool, store: ObjectStore, *, broker: Broker) -> dict[str, Check]:
    """Give the checks of what a service works through, by GitLab's names where it has one."""
    return {
        "db_check": lambda: check_database(pool),
        "queue_check": broker.check,
        "storage_check": store.check,
    }


async def readiness(
    now: Readiness, checks: Mapping[str, Check], *, everything: bool
) -> tuple[int, dict[str, object]]:
    """Give the status and the document: 503 while draining, and without the database.

    With ``everything`` the broker and the storage are checked too. Without it the document has the database
    only where that is away, as GitLab's has no more than ``master_check``.
    """
    asked = [name for name in checks if everything or name == _VITAL]
    results = dict(zip(asked, await asyncio.gather(*(_passes(checks[name]) for name in asked)), strict=True))
    shown = {name: passed for name, passed in results.items() if everything or not passed}
    return _document({"master_check": not now.draining} | shown)


def _document(results: Mapping[str, bool]) -> tuple[int, dict[str, object]]:
    passed = all(results.values())
    details = {name: [{"status": _word(passes=passes)}] for name, passes in results.items()}
    return 200 if passed else 503, {"status": _word(passes=passed), **details}


def _word(*, passes: bool) -> str:
    return "ok" if passes else "failed"


async def _passes(check: Check) -> bool:
    try:
        async with asyncio.timeout(_DEADLINE):
            await check()
    except (CrossdockError, TimeoutError):
        _log.warning("check_failed", exc_info=True)
        return False
    return True
