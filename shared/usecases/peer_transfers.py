"""Projects that are fetched from a destination that is a peer, or sent to one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from shared.accounts.models import User
from shared.database.pool import Connection, Pool
from shared.database.transactions import current, transaction
from shared.destinations.models import Destination, PeerSettings
from shared.destinations.peers import PeerServers, address_of
from shared.destinations.sealed_credentials import CredentialSealer
from shared.gitlab.relation_selection import RelationSelection
from shared.jobs.models import PeerExportOrder, PeerOrder, RemoteSource, SourceForm, UploadTarget
from shared.peers.answers import PeerProject
from shared.peers.client import PeerClient
from shared.peers.errors import PeerLimited
from shared.projects import store
from shared.projects.models import Project
from shared.projects.rules import NameRefused, check_path
from shared.remote.api_address import ApiAddress
from shared.remote.errors import BlockedUrl, RemoteError
from shared.sealing.sealer import Sealer
from shared.usecases.errors import DestinationNotPeer, FieldsInvalid, NotFound, PeerBusy, PeerRequestFailed
from shared.usecases.exports import ExportableProject, Exports
from shared.usecases.imports import Archive, ImportRequest, Imports, ScheduledJob
from shared.usecases.job_origin import JobOrigin
from shared.usecases.job_queue import JobQueue
from shared.usecases.jobs import ReportedJob, report_job

ANSWER_WITHIN = timedelta(seconds=30)
"""How long a peer may take to tell of a project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRequest:
    """Where a project goes at a peer. None is as the destination has it, or the path as it is here."""

    path: str | None = None
    namespace: str | None = None
    overwrite: bool | None = None
    selection: RelationSelection | None = None


@dataclass(frozen=True, slots=True)
class Peer:
    """A destination that is a peer, with its token opened."""

    settings: PeerSettings
    address: ApiAddress
    client: PeerClient


class PeerJobs:
    """Opens destinations that are peers, and inserts jobs that send projects there."""

    def __init__(self, queue: JobQueue, servers: PeerServers, *, sealer: Sealer) -> None:
        self._queue = queue
        self._servers = servers
        self._sealer = CredentialSealer(sealer)

    async def open(self, destination: Destination) -> Peer:
        """Open the token of a destination.

        Raises DestinationNotPeer, SecretUnreadable and PeerRequestFailed.
        """
        settings = destination.settings
        if not isinstance(settings, PeerSettings):
            raise DestinationNotPeer
        credentials = self._sealer.open_token(destination)
        with translate_peer_errors():
            client = await self._servers.client(settings, credentials)
        return Peer(settings, address_of(settings, credentials), client)

    async def insert(
        self, db: Connection, project: Project, user: User, order: PeerExportOrder, *, origin: JobOrigin
    ) -> ScheduledJob:
        """Insert the job in the caller's transaction. The caller announces it. Raises NotFound."""
        if not await store.lock(db, project.id):
            raise NotFound("Project")
        job = await self._queue.enqueue(db, order, project=project, user=user, origin=origin)
        return ScheduledJob(project, job)


class PeerTransfers:
    """Queues jobs that fetch projects from peers, and that send them there."""

    def __init__(
        self, pool: Pool, queue: JobQueue, *, imports: Imports, exports: Exports, peers: PeerJobs
    ) -> None:
        self._pool = pool
        self._queue = queue
        self._imports = imports
        self._exports = exports
        self._peers = peers

    async def fetch(
        self,
        actor: User,
        destination: Destination,
        reference: str,
        request: ImportRequest,
        *,
        origin: JobOrigin,
    ) -> ReportedJob:
        """Queue the import of a project of the peer; without a path it gets the one that it has there.

        Raises what ``Imports.admit`` and ``Imports.schedule`` raise, and DestinationNotPeer,
        PeerRequestFailed and PeerBusy.
        """
        await self._imports.admit(actor)
        peer = await self._peers.open(destination)
        with translate_peer_errors():
            async with asyncio.timeout(ANSWER_WITHIN.total_seconds()):
                found = await peer.client.project(reference)
        if not request.path:
            request = replace(request, path=found.path_with_namespace.rpartition("/")[2])
        made = await self._imports.schedule(actor, request, archive_of(peer, found), origin=origin)
        return await self._report(made)

    async def send(
        self,
        exportable: ExportableProject,
        destination: Destination,
        request: SendRequest,
        *,
        origin: JobOrigin,
    ) -> ReportedJob:
        """Queue the sending of a project to the peer. It counts as an export.

        Raises RateLimited, DestinationNotPeer, FieldsInvalid, PeerRequestFailed and NotFound.
        """
        peer = await self._peers.open(destination)
        order = order_of(peer, exportable.project, request)
        await self._exports.count(exportable)
        async with transaction(self._pool) as db:
            scheduled = await self._peers.insert(
                db, exportable.project, exportable.user, order, origin=origin
            )
        self._queue.announce(scheduled.job)
        return await self._report(scheduled)

    async def _report(self, made: ScheduledJob) -> ReportedJob:
        return await report_job(current(self._pool), made.job.id, made.project)


def archive_of(peer: Peer, project: PeerProject) -> Archive:
    """Make the source of an import of a project of the peer."""
    return Archive(
        source=RemoteSource(url=peer.address.write(), form=SourceForm.PEER),
        peer=PeerOrder(
            full_path=project.path_with_namespace, project_id=project.id, api=str(peer.address.api)
        ),
    )


def order_of(
    peer: Peer, project: Project, request: SendRequest, *, makes_groups: bool = False
) -> PeerExportOrder:
    """Make the order to send a project to the peer. Raises FieldsInvalid for a path that none can be."""
    overwrite = peer.settings.overwrite if request.overwrite is None else request.overwrite
    try:
        path = check_path(request.path or project.path)
    except NameRefused as error:
        raise FieldsInvalid({"path": [str(error)]}, cause=error) from None
    return PeerExportOrder(
        path=path,
        namespace=request.namespace or peer.settings.namespace,
        overwrite=overwrite,
        makes_groups=makes_groups,
        selection=request.selection,
        api=str(peer.address.api),
        upload=UploadTarget(url=peer.address.write(), method="POST"),
    )


@contextmanager
def translate_peer_errors() -> Iterator[None]:
    """Make refusals of what a peer says to a question of ours."""
    try:
        yield
    except PeerLimited as error:
        raise PeerBusy(error.shown, wait=error.wait or 1) from None
    except (RemoteError, BlockedUrl) as error:
        raise PeerRequestFailed(error.shown) from None
    except TimeoutError:
        raise PeerRequestFailed(f"no answer within {int(ANSWER_WITHIN.total_seconds())} seconds") from None
