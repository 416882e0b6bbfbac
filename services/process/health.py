"""Health checks in GitLab's form, for load balancers: on the port of the api, and on every metrics port."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import structlog

from shared.broker.base import Broker
from shared.database.check import check as check_database
from shared.database.pool import Pool
from shared.errors import CrossdockError
from shared.jobs.storage_gate import StorageGate
from shared.logs import describe
from shared.storage.base import ObjectStore
from shared.storage.errors import DiskNearlyFull

_DEADLINE = 5.0
"""The time limit of a check, in seconds."""

_VITAL = "db_check"
"""The check that decides readiness, because every service needs the database."""

_STORAGE = "storage_check"

ALIVE = {"status": "ok"}
"""The answer of the liveness probe: the process runs."""

_Result: TypeAlias = dict[str, str]
_PASSED: _Result = {"status": "ok"}
_FAILED: _Result = {"status": "failed"}

_log = structlog.get_logger()

Check = Callable[[], Awaitable[object]]


class Readiness:
    """Holds whether this process accepts new requests or jobs; it does until ``drain``."""

    def __init__(self) -> None:
        self.draining = False

    def drain(self) -> None:
        """Make the readiness probe answer 503, so that load balancers send no new requests."""
        self.draining = True


def make_checks(pool: Pool, store: ObjectStore, *, broker: Broker) -> dict[str, Check]:
    """Return one check for each server that a service needs, by GitLab's name where GitLab has one."""
    return {
        "db_check": lambda: check_database(pool),
        "queue_check": broker.check,
        _STORAGE: store.check,
    }


async def check_readiness(
    now: Readiness, checks: Mapping[str, Check], *, everything: bool, gate: StorageGate | None = None
) -> tuple[int, dict[str, object]]:
    """Return the HTTP status and the JSON document: 503 while the process drains, or if the database fails.

    ``everything`` also checks the broker and the storage. Without it the document names the database only
    if its check fails, because GitLab's document has ``master_check`` alone. Of a process with workers
    ``gate`` holds these up while the storage is away: that is 503 as well, and it is told since when.
    """
    names = [name for name in checks if everything or name == _VITAL]
    results = dict(zip(names, await asyncio.gather(*(_run(checks[name]) for name in names)), strict=True))
    shown = {name: result for name, result in results.items() if everything or result != _PASSED}
    return _document({"master_check": _FAILED if now.draining else _PASSED} | shown | _held_up(gate))


def _held_up(gate: StorageGate | None) -> dict[str, _Result]:
    since = gate and gate.away_since
    return {_STORAGE: _FAILED | {"message": f"away since {since:%Y-%m-%dT%H:%M:%SZ}"}} if since else {}


def _document(results: Mapping[str, _Result]) -> tuple[int, dict[str, object]]:
    passed = all(result == _PASSED for result in results.values())
    details = {name: [result] for name, result in results.items()}
    return 200 if passed else 503, {**(_PASSED if passed else _FAILED), **details}


async def _run(check: Check) -> _Result:
    """Run a check. Its result has a message only where that is for anybody to read."""
    try:
        async with asyncio.timeout(_DEADLINE):
            await check()
    except (CrossdockError, TimeoutError) as error:
        _log.warning("check_failed", error=describe(error))
        message = {"message": str(error)} if isinstance(error, DiskNearlyFull) else {}
        return _FAILED | message
    return _PASSED
