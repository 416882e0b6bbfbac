"""Wires the exporter: makes its workers and runs them."""

from __future__ import annotations

from functools import partial

from services.exporter.exporter import Exporter
from services.exporter.upload import Uploader
from services.process.monitoring import open_monitor
from services.process.ports import Ports, open_ports, require_keys, wait_for_broker
from services.process.tracing import open_tracer
from services.process.worker import run_workers_until_signal, worker_limits, worker_name
from shared.jobs.models import JobKind
from shared.jobs.opened_work import OpenedWork
from shared.jobs.outbox import announce
from shared.jobs.sealed_orders import OrderSealer
from shared.jobs.traced_work import TracedWork
from shared.jobs.worker import Work, Worker
from shared.outbound.policy import outbound_clients
from shared.settings.defaults import default_settings
from shared.settings.environment import Settings
from shared.settings.store import application_settings


def make_exporters(ports: Ports, settings: Settings) -> list[Worker]:
    """Make the workers for exports and for uploads: neither takes the slots of the other.

    The exporter does not open the address of an upload; it passes that on as it is sealed.
    """
    exporter = Exporter(
        ports.pool,
        ports.store,
        settings=partial(application_settings, ports.pool, default_settings(settings)),
        announce=partial(announce, ports.pool, ports.broker),
    )
    uploader = Uploader(ports.pool, ports.store, outbound_clients(ports.pool, settings))
    works: list[tuple[JobKind, Work]] = [
        (JobKind.EXPORT, exporter),
        (JobKind.UPLOAD, OpenedWork(uploader, OrderSealer(ports.sealer))),
    ]
    return [
        Worker(
            ports.pool,
            ports.broker,
            kind=kind,
            work=TracedWork(work, ports.tracer),
            name=worker_name(),
            limits=worker_limits(settings, kind),
            metrics=ports.job_metrics,
            check_storage=ports.store.check,
        )
        for kind, work in works
    ]


async def serve(settings: Settings) -> None:
    """Run the exporter until SIGTERM."""
    async with (
        open_tracer(settings, service="exporter") as tracer,
        open_ports(settings, tracer=tracer) as opened,
    ):
        await wait_for_broker(opened.broker)  # before the probes are served
        await require_keys(opened)
        async with open_monitor(opened, settings, service="exporter") as monitor:
            await run_workers_until_signal(make_exporters(monitor.ports, settings), monitor, settings)
