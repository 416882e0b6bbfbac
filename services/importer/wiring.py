"""Wires the importer: makes its workers and runs them."""

from __future__ import annotations

from functools import partial

from services.importer.importer import Importer
from services.importer.relation_importer import RelationImporter
from services.process.monitoring import open_monitor
from services.process.ports import Ports, open_ports, require_keys, wait_for_broker
from services.process.tracing import open_tracer
from services.process.worker import run_workers_until_signal, worker_limits, worker_name
from shared.jobs.models import JobKind
from shared.jobs.opened_work import OpenedWork
from shared.jobs.sealed_orders import OrderSealer
from shared.jobs.traced_work import TracedWork
from shared.jobs.worker import Worker
from shared.outbound.remote_imports import remote_import_policy
from shared.restore.sources import ArchiveOpener
from shared.settings.archive_limits import LimitsProvider, archive_limits, current_limits
from shared.settings.defaults import default_settings
from shared.settings.environment import MIB, Settings


def make_importers(ports: Ports, settings: Settings) -> list[Worker]:
    """Make the workers for imports of projects and for imports of single relations."""
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
            work=TracedWork(OpenedWork(task, OrderSealer(ports.sealer)), ports.tracer),
            name=worker_name(),
            limits=worker_limits(settings, kind),
            metrics=ports.job_metrics,
            check_storage=ports.store.check,
        )
        for kind, task in ((JobKind.IMPORT, whole), (JobKind.RELATION_IMPORT, single))
    ]


def _limits(ports: Ports, settings: Settings) -> LimitsProvider:
    return partial(current_limits, ports.pool, archive_limits(settings), defaults=default_settings(settings))


def _sources(ports: Ports, settings: Settings) -> ArchiveOpener:
    return ArchiveOpener(
        ports.pool, ports.store, remote=remote_import_policy(settings), defaults=default_settings(settings)
    )


async def serve(settings: Settings) -> None:
    """Run the importer until SIGTERM."""
    async with (
        open_tracer(settings, service="importer") as tracer,
        open_ports(settings, tracer=tracer) as opened,
    ):
        await wait_for_broker(opened.broker)  # before the probes are served
        await require_keys(opened)
        async with open_monitor(opened, settings, service="importer") as monitor:
            await run_workers_until_signal(make_importers(monitor.ports, settings), monitor, settings)
