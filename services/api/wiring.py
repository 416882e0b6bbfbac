"""Builds and runs the api."""

from __future__ import annotations

import asyncio
import signal
from datetime import timedelta
from functools import partial
from pathlib import Path

import structlog
from aiohttp import web

from services.api.app import ApiConfig, ApiMetrics, make_app, make_runner, show_life
from services.api.crossdock.bounds import Bounds, JobBounds
from services.api.http.body_time import BodyLimits
from services.api.http.metrics import RequestMetrics
from services.api.http.places import PLACES, PlaceNumbers
from services.api.http.responses import SECURITY_HEADERS
from services.api.queue.actors import Actors
from services.api.queue.command_service import CommandHandler, CommandService
from services.api.queue.commands import CancelCommand, ExportCommand, ImportCommand
from services.api.queue.consumer import CommandConsumer
from services.api.queue.metrics import CommandMetrics
from services.api.queue.reply_queues import ReplyQueues
from services.api.use_cases import USE_CASES, UseCaseConfig, UseCases
from services.listener.connections import ConnectionLimits
from services.listener.descriptors import find_capacity, raise_descriptor_limit
from services.listener.metrics import ConnectionMetrics
from services.listener.peers import parse_networks
from services.listener.site import AddressUnusable, GuardedSite
from services.process.allocator import freeze_heap
from services.process.health import Readiness
from services.process.maintenance import run_maintenance
from services.process.monitoring import Monitor, make_connection_limits, open_monitor
from services.process.openid_connect import make_provider, openid_rules
from services.process.ports import open_ports, patiently, require_keys
from services.process.signing import make_signer
from services.process.tracing import open_tracer
from shared.accounts.users import ensure_root
from shared.admission import PlaceRules
from shared.database.migrate import migrate
from shared.database.pool import Pool
from shared.outbound.policy import outbound_deadlines
from shared.outbound.remote_imports import remote_import_policy
from shared.settings.archive_limits import archive_limits
from shared.settings.defaults import default_settings
from shared.settings.environment import MIB, Settings
from shared.storage.s3 import s3_store
from shared.storage.s3_bucket import HEADS_IN_FLIGHT
from shared.tracing.base import Tracer
from shared.usecases.push_content import PushRules
from shared.usecases.resumable_uploads import UploadRules
from shared.usecases.token_lookup import TokenMemory

_NOTICE = 0.2
"""The fraction of the drain time in which requests still arrive, until load balancers notice the 503."""

_CUT_OFF = 1.0
"""Seconds in which cancelled requests may clean up. aiohttp waits this time twice."""

_log = structlog.get_logger()


def make_api_app(monitor: Monitor, settings: Settings, *, data: Path | None = None) -> web.Application:
    """Make the application; ``data`` is the folder of a standalone."""
    ports = monitor.ports
    config = ApiConfig(
        external_url=settings.base_url,
        broker_prefix=settings.broker_prefix,
        places=_place_numbers(settings),
        idempotency_keys_limit=settings.idempotency_keys_limit,
        has_console=settings.console,
        data_folder=data and data.absolute(),
        bodies=_body_limits(settings),
        connections=_connection_limits(settings),
        trusted_proxies=parse_networks(settings.trusted_proxies),
        hsts=timedelta(seconds=settings.hsts_seconds),
        bounds=_bounds(settings),
        wake_ups=settings.wake_ups_at_once,
        wake_up_patience=timedelta(seconds=settings.wake_up_seconds),
        use_cases=_use_case_config(settings),
    )
    app = make_app(
        ports.pool,
        ports.store,
        ports.broker,
        sealer=ports.sealer,
        config=config,
        readiness=monitor.readiness,
        metrics=_metrics(monitor),
        tracer=ports.tracer,
    )
    show_life(app, ports.session)
    ports.place_metrics.watch(app[PLACES].all())
    return app


def _use_case_config(settings: Settings) -> UseCaseConfig:
    return UseCaseConfig(
        defaults=default_settings(settings),
        job_attempts=settings.job_attempts,
        small_import=settings.small_import_size * MIB,
        outbound=remote_import_policy(settings),
        limits=archive_limits(settings),
        pushes=_push_rules(settings),
        tokens_limit=settings.tokens_limit,
        groups_limit=settings.groups_limit,
        webhooks_limit=settings.webhooks_limit,
        token_memory=TokenMemory(
            most=settings.unknown_tokens, lasts=timedelta(seconds=settings.unknown_token_seconds)
        ),
        failed_sign_ins=settings.failed_sign_ins,
        longest_pass=timedelta(seconds=settings.record_pass_seconds),
        signer=make_signer(settings),
        redirects_downloads=settings.export_redirect,
        open_store=s3_store,
        destinations_limit=settings.destinations_limit,
        schedules_limit=settings.schedules_limit,
        lease=timedelta(seconds=settings.lease_seconds),
        openid_provider=make_provider(settings),
        openid_rules=openid_rules(settings),
        takes_direct_uploads=settings.direct_uploads,
        uploads=UploadRules(
            limit=settings.unused_uploads_limit, kept=timedelta(hours=settings.unused_upload_retention)
        ),
    )


def _metrics(monitor: Monitor) -> ApiMetrics:
    registry = monitor.registry
    return ApiMetrics(RequestMetrics(registry), ConnectionMetrics(registry), monitor.ports.block_metrics)


def _bounds(settings: Settings) -> Bounds:
    return Bounds(
        tokens=settings.tokens_limit,
        groups=settings.groups_limit,
        idempotency_keys=settings.idempotency_keys_limit,
        failed_sign_ins=settings.failed_sign_ins,
        unknown_token=timedelta(seconds=settings.unknown_token_seconds),
        webhook_senders=settings.webhook_senders,
        download_connections=settings.download_connections,
        open_snapshot_retention=timedelta(hours=settings.open_snapshot_retention),
        push_entries=settings.push_entries,
        event_retention=timedelta(hours=settings.event_retention),
        dead_letter_retention=timedelta(hours=settings.dead_letter_retention),
        jobs=JobBounds(
            attempts=settings.job_attempts,
            share=settings.job_share,
            import_deadline=timedelta(hours=settings.import_deadline),
            export_deadline=timedelta(hours=settings.export_deadline),
            idle_deadline=timedelta(minutes=settings.job_idle_deadline),
            retention=timedelta(days=settings.job_retention),
            overwrite_retention=timedelta(minutes=settings.overwrite_retention),
        ),
        remotes=outbound_deadlines(settings),
    )


def _push_rules(settings: Settings) -> PushRules:
    return PushRules(
        idle=timedelta(hours=settings.open_snapshot_retention),
        packed_up_to=settings.pack_blob_size * MIB,
        most_entries=settings.push_entries,
    )


def _body_limits(settings: Settings) -> BodyLimits:
    return BodyLimits(rate=settings.least_rate, grace=timedelta(seconds=settings.least_rate_grace_seconds))


def _connection_limits(settings: Settings) -> ConnectionLimits:
    """Make the limits that the file descriptors of the process allow, of which others need some."""
    descriptors = raise_descriptor_limit()
    capacity = find_capacity(
        descriptors,
        reserved=settings.database_pool_size
        + 2 * settings.s3_connections  # by presigned addresses, and by the client
        + HEADS_IN_FLIGHT
        + settings.uploads_at_once
        + settings.metrics_connections_at_once,
        most=settings.connections_at_once,
    )
    if capacity.connections < settings.connections_at_once:
        _log.warning("connections_limited", connections=capacity.connections, descriptors=descriptors)
    return make_connection_limits(settings, most=capacity.connections, backlog=capacity.backlog)


def _place_numbers(settings: Settings) -> PlaceNumbers:
    """Return the numbers of places. Downloads, with their further connections, use half of those to S3."""
    return PlaceNumbers(
        rules=PlaceRules(
            share=settings.place_share,
            waiting=settings.place_queue,
            waiting_each=settings.place_queue_each,
            patience=timedelta(seconds=settings.place_patience),
        ),
        uploads=settings.uploads_at_once,
        downloads=max(1, settings.s3_connections // 3),
        connections_each=settings.download_connections,
        streams=settings.event_streams,
        streams_each=settings.event_streams_each,
        passes=settings.record_passes,
        lookups=settings.record_lookups,
        documents=settings.documents_at_once,
        tokens=max(1, settings.database_pool_size // 2),
    )


def make_command_consumer(app: web.Application, settings: Settings, *, monitor: Monitor) -> CommandConsumer:
    """Make the consumer of commands, which calls the use cases of the application."""
    ports = monitor.ports
    service = make_command_service(
        ports.pool, app[USE_CASES], actors=Actors(settings.command_actors), tracer=ports.tracer
    )
    metrics = CommandMetrics(monitor.registry)
    return CommandConsumer(
        ports.broker,
        service,
        source=settings.base_url,
        reply_queues=ReplyQueues(settings.reply_queues),
        metrics=metrics,
    )


def make_command_service(pool: Pool, uses: UseCases, *, actors: Actors, tracer: Tracer) -> CommandService:
    """Make the service that executes commands."""
    handlers: dict[str, CommandHandler] = {
        "import.requested": ImportCommand(uses.remote_imports),
        "export.requested": ExportCommand(uses.exports),
        "job.cancel": CancelCommand(uses.jobs),
    }
    return CommandService(pool, handlers, actors=actors, queue=uses.queue, tracer=tracer)


async def make_root(pool: Pool, settings: Settings) -> None:
    """Create the first administrator if the settings have a token for one. May be repeated."""
    if settings.root_token is not None:
        async with pool.acquire() as db, db.transaction():
            await ensure_root(db, settings.root_token.get_secret_value())


async def listen(app: web.Application, settings: Settings) -> web.AppRunner:
    """Start to serve requests; ``stop`` ends it. Raises AddressUnusable."""
    runner = make_runner(app, shutdown_timeout=settings.drain_seconds)
    await runner.setup()
    headers = app[SECURITY_HEADERS]
    try:
        await GuardedSite(runner, host=settings.host, port=settings.port, headers=headers).start()
    except AddressUnusable:
        await runner.cleanup()
        raise
    return runner


async def stop(runner: web.AppRunner, settings: Settings) -> None:
    """Accept no more requests, wait for running ones until the drain time is over, and cancel the rest.

    The timeout is ours, because aiohttp waits its own twice: for handlers to end, and for cancelled ones.
    """
    try:
        async with asyncio.timeout(settings.drain_seconds * (1 - _NOTICE)):
            await runner.cleanup()
    except TimeoutError:
        if runner.server is not None:
            await runner.server.shutdown(_CUT_OFF)
        await runner.cleanup()


async def wait_for_drain(readiness: Readiness, *, notice: float) -> None:
    """Wait for SIGTERM or SIGINT, answer 503 to readiness probes, and return ``notice`` seconds later."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    freeze_heap()
    await stopping.wait()
    readiness.drain()
    await asyncio.sleep(notice)


async def serve(settings: Settings) -> None:
    """Serve requests and commands until SIGTERM."""
    async with (
        open_tracer(settings, service="api") as tracer,
        open_ports(settings, tracer=tracer) as opened,
        open_monitor(opened, settings, service="api") as monitor,
    ):
        await patiently(partial(migrate, settings.database_url.get_secret_value()))
        await require_keys(opened)
        await patiently(partial(make_root, opened.pool, settings))
        app = make_api_app(monitor, settings)
        commands = make_command_consumer(app, settings, monitor=monitor)
        runner = await listen(app, settings)
        async with asyncio.TaskGroup() as tasks:
            consuming = tasks.create_task(commands.run())
            maintenance = tasks.create_task(run_maintenance(monitor.ports, settings))
            try:
                await wait_for_drain(monitor.readiness, notice=settings.drain_seconds * _NOTICE)
            finally:
                consuming.cancel()
                await stop(runner, settings)
                maintenance.cancel()
