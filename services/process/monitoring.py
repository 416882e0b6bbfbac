"""Metrics and health of a process, served on a port of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import choose_encoder

from services.listener.at_work import mark_at_work
from services.listener.connections import ConnectionLimits, Connections
from services.listener.peers import TrustedProxies
from services.listener.site import CONNECTIONS, GuardedSite, keep_ticking
from services.process.health import ALIVE, Readiness, check_readiness, make_checks
from services.process.ports import Ports
from shared.audit.findings import FindingKind
from shared.beside import beside
from shared.jobs.metrics import JobMetrics
from shared.jobs.storage_gate import StorageGate
from shared.logs import quiet_logger
from shared.metrics.blocks import BlockMetrics
from shared.metrics.database import PoolCollector
from shared.metrics.loop import LoopLag
from shared.metrics.places import PlaceMetrics
from shared.metrics.registry import make_registry
from shared.metrics.scrub import ScrubMetrics
from shared.metrics.storage import StorageMetrics
from shared.schedules.metrics import RunMetrics
from shared.settings.environment import Settings
from shared.storage.base import ObjectStore
from shared.storage.observed import ObservedStore
from shared.webhooks.metrics import WebhookMetrics

_ROUNDS = 3
"""Sweeper rounds for which a gauge that the sweeper read stays valid: another process may sweep next."""

_HEADERS = {"Server": "Crossdock", "X-Content-Type-Options": "nosniff"}
"""What every answer has. aiohttp would name its version and Python's."""


@dataclass(frozen=True, slots=True)
class Monitor:
    """The ports of a process, whose use ``registry`` counts, and the readiness of the process."""

    ports: Ports
    registry: CollectorRegistry
    readiness: Readiness


@asynccontextmanager
async def open_monitor(ports: Ports, settings: Settings, *, service: str) -> AsyncIterator[Monitor]:
    """Measure the use of the ports, and serve the metrics if the settings name a port for them."""
    registry = make_registry(service)
    PoolCollector(registry, ports.pool)
    fresh_for = timedelta(seconds=settings.sweep_seconds * _ROUNDS)
    store = ObservedStore(ObservedStore(ports.store, ports.tracer.watch), StorageMetrics(registry))
    counted = replace(
        ports,
        store=store,
        storage_gate=_storage_gate(store, registry),
        job_metrics=JobMetrics(registry, fresh_for=fresh_for),
        webhook_metrics=WebhookMetrics(registry),
        place_metrics=PlaceMetrics(registry),
        block_metrics=BlockMetrics(registry),
        run_metrics=RunMetrics(registry),
        scrub_metrics=ScrubMetrics(registry, (kind.value for kind in FindingKind)),
    )
    monitor = Monitor(counted, registry, Readiness())
    try:
        async with beside(LoopLag(registry).run()), _serve_monitoring(monitor, settings):
            yield monitor
    finally:
        await counted.storage_gate.close()


def _storage_gate(store: ObjectStore, registry: CollectorRegistry) -> StorageGate:
    """Make the gate of the process, and tell for how long it has been closed."""
    gate = StorageGate(store.check)
    away = Gauge(
        "crossdock_storage_away_seconds",
        "How long the process has claimed no job as the object storage is away; 0 while that is there.",
        registry=registry,
    )
    away.set_function(gate.away_seconds)
    return gate


@asynccontextmanager
async def _serve_monitoring(monitor: Monitor, settings: Settings) -> AsyncIterator[None]:
    """Serve the metrics port until the block ends, also while the process drains."""
    app = make_monitoring_app(monitor)
    most = settings.metrics_connections_at_once
    limits = make_connection_limits(settings, most=most, backlog=most)
    app[CONNECTIONS] = Connections(limits, proxies=TrustedProxies())
    app.cleanup_ctx.append(keep_ticking)
    runner = web.AppRunner(app, access_log=None, logger=quiet_logger(), shutdown_timeout=1)
    await runner.setup()
    async with AsyncExitStack() as resources:
        resources.push_async_callback(runner.cleanup)
        if settings.metrics_port:
            await GuardedSite(
                runner, host=settings.host, port=settings.metrics_port, headers=_HEADERS
            ).start()
        yield


def make_connection_limits(settings: Settings, *, most: int, backlog: int) -> ConnectionLimits:
    """Make the limits of a port with so many connections; the times and the rate are those of every port."""
    return ConnectionLimits(
        most=most,
        backlog=backlog,
        head=timedelta(seconds=settings.head_seconds),
        idle=timedelta(seconds=settings.keepalive_seconds),
        rate=settings.least_rate,
        grace=timedelta(seconds=settings.least_rate_grace_seconds),
    )


def make_monitoring_app(monitor: Monitor) -> web.Application:
    """Make the application of the metrics port. It has no authentication: the port is internal."""
    checks_of_ports = make_checks(monitor.ports.pool, monitor.ports.store, broker=monitor.ports.broker)

    async def metrics(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(monitor.registry), headers={"Content-Type": content_type})

    async def live(_request: web.Request) -> web.Response:
        return web.json_response(ALIVE)

    async def ready(request: web.Request) -> web.Response:
        everything = request.query.get("all") == "1"
        status, document = await check_readiness(
            monitor.readiness, checks_of_ports, everything=everything, gate=monitor.ports.storage_gate
        )
        return web.json_response(document, status=status)

    app = web.Application(middlewares=[mark_at_work])
    app.on_response_prepare.append(_add_headers)
    app.add_routes(
        [web.get("/metrics", metrics), web.get("/-/liveness", live), web.get("/-/readiness", ready)]
    )
    return app


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)
