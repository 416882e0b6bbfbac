"""Wires the exporter: makes its workers and runs them."""

from __future__ import annotations

from functools import partial

from services.exporter.archive_seal import ArchiveSeal
from services.exporter.backup import BackupWork
from services.exporter.composer import ArchiveComposer
from services.exporter.exporter import Exporter
from services.exporter.peer_export import PeerExporter
from services.exporter.project_planner import ProjectPlanner
from services.exporter.upload import Uploader
from services.process.buckets import make_buckets
from services.process.ports import Ports
from services.process.signing import make_signer
from services.process.worker import Background, make_worker, serve_workers
from shared.exports.archive_reader import ArchiveReader
from shared.jobs.models import JobKind
from shared.jobs.opened_work import OpenedWork
from shared.jobs.outbox import announce
from shared.jobs.sealed_orders import OrderSealer
from shared.outbound.policy import outbound_clients
from shared.outbound.remote_imports import remote_import_policy
from shared.settings.defaults import default_settings
from shared.settings.environment import Settings
from shared.settings.store import application_settings


def make_exporters(ports: Ports, settings: Settings) -> list[Background]:
    """Make the workers for exports, uploads, backups and what goes to peers: each has slots of its own.

    The exporter does not open the address of an upload; it passes that on as it is sealed. Beside them, what
    reads archives for their SHA-256, where the settings want it.
    """
    reader = ArchiveReader(ports.pool, ports.blocks)
    seal = ArchiveSeal(ports.pool, reader)
    exporter = Exporter(
        ports.pool,
        ports.store,
        blocks=ports.blocks,
        settings=partial(application_settings, ports.pool, default_settings(settings)),
        announce=partial(announce, ports.broker),
        composer=ArchiveComposer(ports.pool, ports.store) if settings.export_redirect else None,
    )
    backup = BackupWork(
        ports.pool,
        ProjectPlanner(ports.pool, ports.store, ports.blocks),
        reader,
        make_buckets(ports, settings),
        sealer=ports.sealer,
        signer=make_signer(settings),
        source=settings.base_url,
    )
    uploader = Uploader(ports.pool, reader, outbound_clients(ports.pool, settings))
    peers = PeerExporter(
        ports.pool,
        ProjectPlanner(ports.pool, ports.store, ports.blocks),
        reader,
        remote=remote_import_policy(settings),
        defaults=default_settings(settings),
    )
    sealer = OrderSealer(ports.sealer)
    return [
        make_worker(ports, settings, JobKind.EXPORT, seal.watch(exporter)),
        make_worker(ports, settings, JobKind.UPLOAD, seal.watch(OpenedWork(uploader, sealer))),
        make_worker(ports, settings, JobKind.PEER_EXPORT, seal.watch(OpenedWork(peers, sealer))),
        make_worker(ports, settings, JobKind.BACKUP, seal.watch(backup)),
        *([seal] if settings.export_seal else []),
    ]


async def serve(settings: Settings) -> None:
    """Run the exporter until SIGTERM."""
    await serve_workers(settings, make_exporters, service="exporter")
