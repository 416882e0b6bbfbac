"""How the whole Crossdock is, for administrators."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from importlib.metadata import version

from aiohttp import web

from services.api.gitlab.health import HEALTH
from services.api.http.caller import find_caller
from services.api.http.responses import json_response, optional_timestamp, timestamp
from services.api.use_cases import use_cases
from services.process import health
from shared.broker.base import Broker
from shared.errors import BrokerError
from shared.jobs.maintenance import TaskRun
from shared.statuses.system import Queue, SeenWorker, StoredKind, SystemStatus

_VERSION = version("crossdock")
_PATIENCE = 5.0


async def show(request: web.Request) -> web.Response:
    """GET /api/crossdock/v1/system."""
    status = await use_cases(request).system.show(find_caller(request))
    here = request.app[HEALTH]
    checks = health.make_checks(here.pool, here.store, broker=here.broker)
    (_, readiness), broker = await asyncio.gather(
        health.check_readiness(here.readiness, checks, everything=True), _version_of(here.broker)
    )
    return json_response(_entity(status) | {"versions": _versions(status, broker), "readiness": readiness})


async def _version_of(broker: Broker) -> str | None:
    """Return what the broker is; None if it is away, as the readiness tells."""
    try:
        async with asyncio.timeout(_PATIENCE):
            return await broker.version()
    except (BrokerError, TimeoutError):
        return None


def _versions(status: SystemStatus, broker: str | None) -> Mapping[str, object]:
    return {"crossdock": _VERSION, "schema": status.schema, "postgres": status.postgres, "broker": broker}


def _entity(status: SystemStatus) -> dict[str, object]:
    return {
        "workers": [_worker(each) for each in status.workers],
        "queues": [_queue(each) for each in status.queues],
        "storage": None if status.storage is None else [_stored(each) for each in status.storage],
        "suspects": status.suspects,
        "tasks": [_task(each) for each in status.tasks],
    }


def _worker(worker: SeenWorker) -> Mapping[str, object]:
    return {
        "kind": worker.kind,
        "name": worker.name,
        "slots": worker.slots,
        "version": worker.version,
        "seen_at": timestamp(worker.seen_at),
        "silent": worker.is_silent,
        "running": worker.running,
    }


def _queue(queue: Queue) -> Mapping[str, object]:
    return {
        "kind": queue.kind,
        "slots": queue.slots,
        "waiting": queue.waiting,
        "due": queue.due,
        "running": queue.running,
        "oldest_waiting_since": optional_timestamp(queue.oldest_waiting_since),
    }


def _stored(stored: StoredKind) -> Mapping[str, object]:
    return {
        "kind": stored.kind,
        "objects": stored.objects,
        "bytes": stored.bytes,
        "damaged": stored.damaged,
    }


def _task(run: TaskRun) -> Mapping[str, object]:
    return {
        "task": run.task,
        "run_at": timestamp(run.run_at),
        "seconds": round(run.seconds, 3),
        "amount": run.amount,
        "error": run.error,
    }
