"""Standalone: the same services over embedded Postgres, an in-process broker and a folder of files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

from services.api.wiring import listen, make_api_app, make_command_consumer, make_root, stop, wait_for_drain
from services.exporter.wiring import make_exporters
from services.importer.wiring import make_importers
from services.listener.site import try_address
from services.process.maintenance import run_maintenance
from services.process.monitoring import open_monitor
from services.process.ports import Ports, require_keys
from services.process.tracing import open_tracer
from services.process.worker import run_workers
from services.standalone.data_folder import CLUSTER, OBJECTS, owned
from services.standalone.postgres import embedded_postgres
from services.standalone.secrets_key import standalone_sealer
from services.standalone.welcome import farewell, print_words, stopping, welcome
from shared.accounts.users import make_first_root
from shared.broker.memory import MemoryBroker
from shared.database.migrate import migrate
from shared.database.pool import Pool, database, session
from shared.jobs import outbox
from shared.jobs.requeue import Requeue
from shared.settings.environment import MIB, Settings
from shared.storage.filesystem import FilesystemStore
from shared.tracing.base import OFF, Tracer
from shared.webhooks import delivery_queue


@asynccontextmanager
async def open_embedded_ports(
    settings: Settings, data: Path, *, tracer: Tracer = OFF
) -> AsyncIterator[Ports]:
    """Open embedded Postgres, the in-process broker and the file store. All data lie below ``data``.

    Raises DataFolderInUse, DataFolderUnusable, EmbeddedPostgresFailed and SecretsKeyInvalid.
    """
    patience = timedelta(seconds=settings.recovery_seconds)
    with owned(data):
        sealer = standalone_sealer(settings, data)
        async with embedded_postgres(data / CLUSTER, patience=patience) as url:
            await migrate(url)
            async with database(url, size=settings.database_pool_size, on_query=tracer.on_query) as pool:
                store = FilesystemStore(data / OBJECTS, wanted=settings.disk_reserve * MIB)
                yield Ports(pool, store, MemoryBroker(), partial(session, url), sealer, tracer=tracer)


async def take_over(ports: Ports) -> None:
    """Free what processes before this one held: they are gone, as this one owns the data folder.

    Their messages are lost with them, their jobs are queued again at once, and so are their webhooks' turns.
    """
    await Requeue(ports.pool, ports.broker, metrics=ports.job_metrics).requeue_running()
    await outbox.mark_unpublished(ports.pool)
    await delivery_queue.release_all(ports.pool)


async def make_first_user(pool: Pool) -> str | None:
    """Make an administrator where there is no user; return the token that was made.

    Nothing that may fail comes between this and the words that show the token: no other start shows it.
    """
    async with pool.acquire() as db, db.transaction():
        return await make_first_root(db)


async def serve(settings: Settings, *, data: Path) -> None:
    """Run the api, the importer and the exporter until SIGTERM."""
    if not await asyncio.to_thread(data.exists):  # else whether another process has it is told first
        await try_address(settings.host, settings.port)
    async with (
        open_tracer(settings, service="standalone") as tracer,
        open_embedded_ports(settings, data, tracer=tracer) as opened,
        open_monitor(opened, settings, service="standalone") as monitor,
    ):
        ports = monitor.ports
        await require_keys(ports)
        await take_over(ports)
        await make_root(ports.pool, settings)
        workers = [*make_importers(ports, settings), *make_exporters(ports, settings)]
        app = make_api_app(monitor, settings, data=data)
        commands = make_command_consumer(app, settings, monitor=monitor)
        runner = await listen(app, settings)
        print_words(welcome(settings, data, await make_first_user(ports.pool)))
        async with asyncio.TaskGroup() as tasks:
            consuming = tasks.create_task(commands.run())
            tasks.create_task(run_workers(workers, run_maintenance(ports, settings)))
            try:
                await wait_for_drain(monitor.readiness, notice=0)  # there is no load balancer to wait for
                print_words(stopping(settings))
            finally:
                consuming.cancel()
                for worker in workers:
                    worker.stop()
                await stop(runner, settings)
    print_words(farewell(data))
