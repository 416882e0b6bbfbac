"""The importer's wiring."""

from __future__ import annotations

from functools import partial

from services.housekeeping import sweeper
from services.importer.importer import Importer
from services.importer.relation_importer import RelationImporter
from services.importer.sources import ArchiveSources
from services.ports import Ports, answering, distributed
from services.working import stop_on_signal, work, worker_limits, worker_name
from shared.instance.defaults import archive_limits, default_settings
from shared.instance.remote_imports import remote_imports
from shared.jobs.models import JobKind
from shared.jobs.worker import Worker
from shared.restore.limits import LimitsNow, current_limits
from shared.settings import MIB, Settings


def importers(ports: Ports, settings: Settings) -> list[Worker]:
    """Make the workers that import: whole projects, and single relations."""
    sources = _sources(ports, settings)
    limits = _limits(ports, settings)
    whole = Importer(
        ports.pool, ports.store, sources=sources, limits=limits, packed_up_to=settings.pack_blob_size * MIB
    )
    single = RelationImporter(ports.pool, ports.store, sources=sources, limits=limits)
    return [
        Worker(
            ports.pool,
            ports.broker,
            kind=kind,
            work=task,
            name=worker_name(),
            limits=worker_limits(settings),
        )
        for kind, task in ((JobKind.IMPORT, whole), (JobKind.RELATION_IMPORT, single))
    ]


def _limits(ports: Ports, settings: Settings) -> LimitsNow:
    defaults = default_settings(settings)
    return partial(current_limits, ports.pool, archive_limits(settings), defaults=defaults)


def _sources(ports: Ports, settings: Settings) -> ArchiveSources:
    return ArchiveSources(
        ports.pool, ports.store, remote=remote_imports(settings), defaults=default_settings(settings)
    )


async def serve(settings: Settings) -> None:
    """Import until SIGTERM."""
    async with distributed(settings) as ports:
        await answering(ports.broker)
        workers = importers(ports, settings)
        stop_on_signal(workers)
        await work(workers, sweeper(ports, settings))
