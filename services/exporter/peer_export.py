"""Sends a project to a peer, which imports it: a job that waits in the queue while the peer works."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import structlog
from yarl import URL

from services.exporter.counting import count_pieces
from services.exporter.project_planner import ProjectPlan, ProjectPlanner
from shared.database.pool import Pool
from shared.errors import CrossdockError
from shared.exports.archive_reader import ArchiveReader
from shared.jobs import store as jobs
from shared.jobs.models import Job, Lease, Outcome, PeerExportOrder, UploadOutcome
from shared.jobs.progress import Phase, Progress
from shared.outbound.remote_imports import RemoteImportPolicy
from shared.peer_transfers.errors import PeerAtWork, PeerImportFailed, PeerPathTaken
from shared.peer_transfers.transfers import Transfer, Transfers
from shared.peer_transfers.waits import check_time, next_look, waits_in_queue
from shared.peers.answers import PeerFailure, PeerImport
from shared.peers.client import PeerClient
from shared.peers.errors import PeerRecordMissing
from shared.remote.api_address import ApiAddress
from shared.remote.masking import mask_url
from shared.restore.failure_writer import FailureWriter
from shared.restore.failures import Failure
from shared.settings.application import ApplicationSettings
from shared.settings.store import application_settings

MOST_FAILURES = 100
"""Records that the peer left out and that are told, at most: GitLab tells no more."""

_IMPORTS = "imports"
_UNKNOWN = "it does not say why"
_CREATED = 201
_log = structlog.get_logger()


class PeerExporter:
    """Sends projects, each in flat memory: about 2 MiB, as an upload needs it."""

    def __init__(
        self,
        pool: Pool,
        planner: ProjectPlanner,
        reader: ArchiveReader,
        *,
        remote: RemoteImportPolicy,
        defaults: ApplicationSettings,
    ) -> None:
        self._pool = pool
        self._planner = planner
        self._reader = reader
        self._remote = remote
        self._defaults = defaults

    async def run(self, job: Job, lease: Lease, progress: Progress) -> None:
        """Send the archive, or look what has become of it there. Raises PeerAtWork while the peer works.

        The job finishes when the import at the peer has. Raises PeerPathTaken, PeerImportFailed, PeerOverdue,
        BlockedUrl, what ``PeerClient`` raises, and errors of the store and the database.
        """
        order = job.order
        assert isinstance(order, PeerExportOrder)  # noqa: S101  # this worker claims no other kind
        assert order.upload is not None  # noqa: S101  # a job that may run has not forgotten it
        address = ApiAddress.read(order.upload.url)
        remote = self._remote.client(await application_settings(self._pool, self._defaults))
        transfers = Transfers(self._pool, lease)
        transfer = await transfers.begin()
        check_time(transfer, address.api)
        with waits_in_queue(transfer):
            peer = PeerClient(remote, address)
            place = _Place(peer, order, address.api)
            if transfer.remote_id is None:
                transfer = await self._send(job, lease, progress, place, transfers, transfer)
            try:
                made = await place.imported(transfer)
            except PeerAtWork:
                await transfers.hear()
                raise
        outcome = UploadOutcome(
            url=mask_url(address.api),
            status=_CREATED,
            attempts=job.attempt,
            bytes=transfer.size,
            error=None,
        )
        await self._finish(lease, progress, made, Outcome(upload=outcome), shown=peer.shown)

    async def _send(  # what a transfer is made of
        self,
        job: Job,
        lease: Lease,
        progress: Progress,
        place: _Place,
        transfers: Transfers,
        transfer: Transfer,
    ) -> Transfer:
        """Have the peer begin its import, once: after a lost answer it is looked for there."""
        found = await place.find(transfer)
        if found is not None:
            return await transfers.arrive(found)
        await place.make_groups()
        async with self._planner.plan(job, lease, progress, selection=place.order.selection) as plan:
            size = plan.archive.size
            await transfers.send(size)
            progress.begin(Phase.UPLOADING)
            progress.bytes_done = 0
            made = await place.send(self._pieces(plan, progress), size=size)
        _log.info("project_sent_to_peer", url=mask_url(place.api), bytes=size)
        return await transfers.arrive(made)

    async def _pieces(self, plan: ProjectPlan, progress: Progress) -> AsyncGenerator[bytes, None]:
        pieces = self._reader.read_plan(plan.archive)
        async with aclosing(pieces), aclosing(count_pieces(pieces, progress)) as counted:
            async for piece in counted:
                yield piece

    async def _finish(
        self,
        lease: Lease,
        progress: Progress,
        made: PeerImport,
        outcome: Outcome,
        *,
        shown: Callable[[str], str],
    ) -> None:
        """Record what the peer left out, and end the job. ``shown`` makes a text of the peer harmless."""
        failures = FailureWriter(self._pool, lease)
        for failure in made.failed_relations[:MOST_FAILURES]:
            await failures.add(_failure(failure, shown))
        await failures.flush()
        await jobs.finish(self._pool, lease, progress=progress.report(), outcome=outcome)

    async def explain(self, job: Job, error: CrossdockError) -> str:  # noqa: ARG002  # the port's
        """Return what users are told of the error, which shows nothing secret of the address."""
        return error.shown


class _Place:
    """Where a project goes at a peer."""

    def __init__(self, peer: PeerClient, order: PeerExportOrder, api: URL) -> None:
        self._peer = peer
        self.order = order
        self.api = api

    async def find(self, transfer: Transfer) -> int | None:
        """Give the project that an attempt before has made there, whose answer was lost.

        Whatever is there before the first attempt is somebody else's: raises PeerPathTaken, unless it is to
        be overwritten. Then a second archive takes the place of the first.
        """
        if self.order.overwrite:
            return None
        path = await self._full_path()
        try:
            found = await self._peer.import_(path)
        except PeerRecordMissing:
            return None
        if transfer.asked_at is None:
            raise PeerPathTaken(self.api, path)
        return found.id

    async def make_groups(self) -> None:
        """Make the groups that are missing there, where the order says so."""
        if self.order.makes_groups and self.order.namespace is not None:
            await self._peer.make_groups(self.order.namespace)

    async def send(self, archive: AsyncGenerator[bytes, None], *, size: int) -> int:
        """Send the archive; give the project that the peer makes of it."""
        order = self.order
        fields = {"path": order.path, "overwrite": str(order.overwrite).lower()}
        fields |= {} if order.namespace is None else {"namespace": order.namespace}
        return (await self._peer.start_import(fields, archive, size=size)).id

    async def imported(self, transfer: Transfer) -> PeerImport:
        """Give the import, which has finished. Raises PeerAtWork and PeerImportFailed."""
        assert transfer.remote_id is not None  # noqa: S101  # the caller has sent it
        made = await self._peer.import_(transfer.remote_id)
        match made.import_status:
            case "finished":
                return made
            case "failed" | "canceled":
                told = self._peer.shown(made.import_error or _UNKNOWN)
                raise PeerImportFailed(self.api, made.import_status, told)
            case _:
                since = transfer.now - (transfer.asked_at or transfer.begun_at)
                raise PeerAtWork(self.api, _IMPORTS, wait=next_look(since))

    async def _full_path(self) -> str:
        above = self.order.namespace or (await self._peer.user()).username
        return f"{above}/{self.order.path}"


def _failure(failure: PeerFailure, shown: Callable[[str], str]) -> Failure:
    return Failure(
        relation=shown(failure.relation_name or "project"),
        line_number=None,
        exception_class=shown(failure.exception_class or "PeerFailure"),
        message=shown(failure.exception_message or "the peer does not say why"),
        source="peer",
    )
