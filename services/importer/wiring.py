"""The importer's wiring."""

from __future__ import annotations

from functools import partial

from services.housekeeping import sweeper
from services.importer.importer import Importer
from services.importer.limits import current_limits
from services.importer.sources import ArchiveSources
from services.ports import Ports, answering, distributed
from services.working import stop_on_signal, work, worker_limits, worker_name
from shared.archive.limits import Limits
from shared.instance.defaults import default_settings
from shared.instance.remote_imports import remote_imports
from shared.jobs.models import JobKind
from shared.jobs.worker import Worker
from shared.settings import MIB, Settings


def importer(ports: Ports, settings: Settings) -> Worker:
    """Make a worker that imports."""
    limits = Limits(
        decompressed=settings.max_decompressed_archive_size * MIB,
        entries=settings.max_archive_entries,
        name=settings.max_entry_name,
        line=settings.max_line_size * MIB,
        depth=settings.max_json_depth,
    )
    return Worker(
        ports.pool,
        ports.broker,
        kind=JobKind.IMPORT,
        work=Importer(
            ports.pool,
            ports.store,
            sources=_sources(ports, settings),
            limits=partial(current_limits, ports.pool, limits, defaults=default_settings(settings)),
            packed_up_to=settings.pack_blob_size * MIB,
        ),
        name=worker_name(),
        limits=worker_limits(settings),
    )


def _sources(ports: Ports, settings: Settings) -> ArchiveSources:
    return ArchiveSources(
        ports.pool, ports.store, remote=remote_imports(settings), defaults=default_settings(settings)
    )


async def serve(settings: Settings) -> None:
    """Import until SIGTERM."""
    async with distributed(settings) as ports:
        await answering(ports.broker)
        worker = importer(ports, settings)
        stop_on_signal([worker])
        await work([worker], sweeper(ports, settings))
