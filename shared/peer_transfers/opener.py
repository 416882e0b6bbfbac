"""Opens a project of a peer as an archive: has it exported there, waits in the queue, and downloads it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from yarl import URL

from shared.database.pool import Pool
from shared.jobs.models import ImportOrder, Job, Lease
from shared.jobs.progress import Phase, Progress
from shared.outbound.remote_imports import RemoteImportPolicy
from shared.peer_transfers.errors import PeerAtWork, PeerExportFailed
from shared.peer_transfers.transfers import Transfer, Transfers
from shared.peer_transfers.waits import check_time, next_look, waits_in_queue
from shared.peers.client import PeerClient
from shared.peers.errors import PeerRecordMissing
from shared.remote.api_address import ApiAddress
from shared.remote.download import RemoteDownload
from shared.restore.sources import DigestedArchive, OpenArchive, RemoteArchive
from shared.settings.application import ApplicationSettings
from shared.settings.store import application_settings

MOST_ASKS = 3
"""How often a peer is asked for an export that fails there, or is gone before it was downloaded."""

_NOT_BEGUN = 120
"""Seconds in which a GitLab may say ``none`` of an export: until its worker has begun."""

_EXPORTS = "exports"


class PeerOpener:
    """Opens the projects of jobs. Addresses are checked again, by the current settings."""

    def __init__(self, pool: Pool, *, remote: RemoteImportPolicy, defaults: ApplicationSettings) -> None:
        self._pool = pool
        self._remote = remote
        self._defaults = defaults

    @asynccontextmanager
    async def open(self, job: Job, lease: Lease, progress: Progress) -> AsyncIterator[OpenArchive]:
        """Open the archive for a block. Raises PeerAtWork while the peer makes it.

        Raises PeerExportFailed, PeerOverdue, BlockedUrl, and what ``PeerClient`` raises.
        """
        order = job.order
        assert isinstance(order, ImportOrder)  # noqa: S101  # this worker claims no other kind
        assert order.source is not None  # noqa: S101  # as well
        assert order.peer is not None  # noqa: S101  # as well
        progress.begin(Phase.FETCHING)
        settings = await application_settings(self._pool, self._defaults)
        address = ApiAddress.read(order.source.url)
        peer = PeerClient(self._remote.client(settings), address)
        export = _Export(peer, Transfers(self._pool, lease), order.peer.project_id, address.api)
        async with export.download() as download:
            yield DigestedArchive(RemoteArchive(download, settings))


class _Export:
    """The export of one project at a peer."""

    def __init__(self, peer: PeerClient, transfers: Transfers, project_id: int, api: URL) -> None:
        self._peer = peer
        self._transfers = transfers
        self._project_id = project_id
        self._api = api

    @asynccontextmanager
    async def download(self) -> AsyncIterator[RemoteDownload]:
        """Begin the download where the export has finished."""
        transfer = await self._transfers.begin()
        check_time(transfer, self._api)
        async with AsyncExitStack() as stack:
            with waits_in_queue(transfer):
                transfer = await self._asked(transfer)
                await self._require_finished(transfer)
                try:
                    download = await stack.enter_async_context(self._peer.download(self._project_id))
                except PeerRecordMissing:
                    raise await self._lost(transfer, "expired") from None
            yield download

    async def _asked(self, transfer: Transfer) -> Transfer:
        """Ask for an export where that was not done. An earlier archive of the user goes at the peer then."""
        if transfer.asked_at is not None:
            return transfer
        await self._peer.start_export(self._project_id)
        return await self._transfers.ask()

    async def _require_finished(self, transfer: Transfer) -> None:
        status = (await self._peer.export(self._project_id)).export_status
        transfer = await self._transfers.hear()
        if status == "finished":
            return
        since = transfer.now - (transfer.asked_at or transfer.now)
        has_not_begun = status == "none" and since.total_seconds() < _NOT_BEGUN
        if status in ("none", "failed") and not has_not_begun:
            raise await self._lost(transfer, status)
        raise PeerAtWork(self._api, _EXPORTS, wait=next_look(since))

    async def _lost(self, transfer: Transfer, status: str) -> PeerAtWork | PeerExportFailed:
        """Have the next attempt ask for an export anew, unless that was done often enough."""
        if transfer.asks >= MOST_ASKS:
            return PeerExportFailed(self._api, status, transfer.asks)
        transfer = await self._transfers.lose()
        return PeerAtWork(self._api, "has no export yet of", wait=next_look(transfer.lasts))
