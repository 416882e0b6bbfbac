"""Wires the importer: makes its workers and runs them."""

from __future__ import annotations

from functools import partial

from services.importer.importer import Importer
from services.importer.relation_importer import RelationImporter
from services.process.ports import Ports
from services.process.worker import make_worker, serve_workers
from shared.github_import.opener import GitHubOpener
from shared.jobs.models import JobKind
from shared.jobs.opened_work import OpenedWork
from shared.jobs.sealed_orders import OrderSealer
from shared.jobs.worker import Worker
from shared.outbound.remote_imports import remote_import_policy
from shared.peer_transfers.opener import PeerOpener
from shared.restore.git_events import RepositoryOpener
from shared.restore.sources import ArchiveOpener
from shared.settings.archive_limits import LimitsProvider, archive_limits, current_limits
from shared.settings.defaults import default_settings
from shared.settings.environment import MIB, Settings


def make_importers(ports: Ports, settings: Settings) -> list[Worker]:
    """Make the workers for imports of projects, from here and from elsewhere, and of single relations."""
    sources = _sources(ports, settings)
    limits = _limits(ports, settings)
    packed_up_to = settings.pack_blob_size * MIB
    whole = Importer(
        ports.pool,
        ports.store,
        sources=sources,
        repositories=_repositories(ports, settings, packed_up_to=packed_up_to),
        hubs=_hubs(ports, settings, packed_up_to=packed_up_to),
        peers=PeerOpener(
            ports.pool, remote=remote_import_policy(settings), defaults=default_settings(settings)
        ),
        limits=limits,
        packed_up_to=packed_up_to,
    )
    single = RelationImporter(ports.pool, ports.store, sources=sources, limits=limits)
    return [
        make_worker(ports, settings, kind, OpenedWork(task, OrderSealer(ports.sealer)))
        for kind, task in (
            (JobKind.IMPORT, whole),
            (JobKind.REMOTE_IMPORT, whole),
            (JobKind.SMALL_IMPORT, whole),
            (JobKind.GIT_IMPORT, whole),
            (JobKind.GITHUB_IMPORT, whole),
            (JobKind.PEER_IMPORT, whole),
            (JobKind.RELATION_IMPORT, single),
        )
    ]


def _limits(ports: Ports, settings: Settings) -> LimitsProvider:
    return partial(current_limits, ports.pool, archive_limits(settings), defaults=default_settings(settings))


def _sources(ports: Ports, settings: Settings) -> ArchiveOpener:
    return ArchiveOpener(
        ports.pool, ports.store, remote=remote_import_policy(settings), defaults=default_settings(settings)
    )


def _repositories(ports: Ports, settings: Settings, *, packed_up_to: int) -> RepositoryOpener:
    return RepositoryOpener(
        ports.pool,
        remote=remote_import_policy(settings),
        defaults=default_settings(settings),
        packed_up_to=packed_up_to,
    )


def _hubs(ports: Ports, settings: Settings, *, packed_up_to: int) -> GitHubOpener:
    return GitHubOpener(
        ports.pool,
        remote=remote_import_policy(settings),
        defaults=default_settings(settings),
        limits=_limits(ports, settings),
        packed_up_to=packed_up_to,
        base_url=settings.base_url,
    )


async def serve(settings: Settings) -> None:
    """Run the importer until SIGTERM."""
    await serve_workers(settings, make_importers, service="importer")
