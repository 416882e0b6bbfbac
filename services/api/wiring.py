"""The api's wiring."""

from __future__ import annotations

import asyncio
import signal

from aiohttp import web

from services.api.app import make_app
from services.api.dependencies import ApiConfig, Dependencies, Readiness
from services.housekeeping import sweeper
from services.ports import Ports, distributed
from shared.accounts.users import ensure_root
from shared.database.migrate import migrate
from shared.database.pool import Pool
from shared.instance.defaults import archive_limits, default_settings
from shared.instance.remote_imports import remote_imports
from shared.settings import Settings

_NOTICE = 0.2
"""The part of the time to drain in which new requests still come in, as load balancers notice the 503."""


def api_app(ports: Ports, settings: Settings, *, readiness: Readiness) -> web.Application:
    """Make the application over open ports."""
    config = ApiConfig(
        external_url=settings.base_url,
        defaults=default_settings(settings),
        job_attempts=settings.job_attempts,
        remote_imports=remote_imports(settings),
        archive_limits=archive_limits(settings),
    )
    return make_app(
        Dependencies(
            pool=ports.pool, store=ports.store, broker=ports.broker, config=config, readiness=readiness
        )
    )


async def admit_root(pool: Pool, settings: Settings) -> None:
    """Have the first administrator, where the settings name a token for one; may be repeated."""
    if settings.root_token is not None:
        async with pool.acquire() as db, db.transaction():
            await ensure_root(db, settings.root_token.get_secret_value())


async def listen(app: web.Application, settings: Settings) -> web.AppRunner:
    """Start to answer; the runner's ``cleanup`` stops that, and gives requests at work the time to drain."""
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=settings.drain_seconds * (1 - _NOTICE), handle_signals=False
    )
    await runner.setup()
    await web.TCPSite(runner, settings.host, settings.port).start()
    return runner


async def drained(readiness: Readiness, *, notice: float) -> None:
    """Wait for SIGTERM or SIGINT, answer 503 to readiness probes, and return ``notice`` seconds later."""
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    await told.wait()
    readiness.drain()
    await asyncio.sleep(notice)


async def serve(settings: Settings) -> None:
    """Answer until SIGTERM."""
    async with distributed(settings) as ports:
        await migrate(settings.database_url.get_secret_value())
        await admit_root(ports.pool, settings)
        readiness = Readiness()
        runner = await listen(api_app(ports, settings, readiness=readiness), settings)
        async with asyncio.TaskGroup() as tasks:
            sweeping = tasks.create_task(sweeper(ports, settings).run())
            try:
                await drained(readiness, notice=settings.drain_seconds * _NOTICE)
            finally:
                await runner.cleanup()
                sweeping.cancel()
