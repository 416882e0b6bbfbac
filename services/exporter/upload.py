"""Uploads a finished archive to the URL that the user gave: a job of its own, the child of the export."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import asdict

import structlog

from services.exporter.counting import count_pieces
from services.exporter.upload_in_parts import UploadInParts
from shared.database.pool import Pool
from shared.errors import CrossdockError, Fault, LeaseLost
from shared.exports import archives
from shared.exports.archive_reader import ArchiveReader
from shared.exports.archives import FinishedArchive
from shared.jobs import sent_parts
from shared.jobs import store as jobs
from shared.jobs.models import Job, Lease, Outcome, UploadOrder, UploadOutcome, UploadTarget
from shared.jobs.progress import Phase, Progress
from shared.outbound.policy import SCHEMES
from shared.remote.client import RemoteClient
from shared.remote.errors import BlockedUrl, RemoteError, bad_status
from shared.remote.masking import mask_url
from shared.remote.part_addresses import PartAddresses
from shared.remote.reasons import reason_of
from shared.remote.urls import parse
from shared.remote.waits import told_wait
from shared.snapshots.errors import SnapshotGone
from shared.snapshots.reading import keep_for_reading

LARGEST_PUT = 5 * 2**30
"""The most bytes that S3 accepts in one PUT (Amazon S3 user guide: Uploading objects)."""

_S3_HOSTS = (".amazonaws.com", ".amazonaws.com.cn")
_S3_SIGNATURES = (frozenset({"X-Amz-Signature"}), frozenset({"AWSAccessKeyId", "Signature"}))
"""The parameters of presigned URLs, version 4 and version 2. Other S3 servers than AWS use them too."""

_OK = range(200, 300)
_log = structlog.get_logger()


class ArchiveGone(CrossdockError):
    """The archive is not stored any more: export the project anew."""

    code = "archive_gone"
    fault = Fault.CLIENT

    def __init__(self) -> None:
        super().__init__("the archive was removed before its upload began")


class UploadTooLarge(CrossdockError):
    """The archive exceeds the size that S3 accepts in one PUT: upload it in parts. Nothing was sent."""

    code = "upload_too_large"
    fault = Fault.CLIENT

    def __init__(self, size: int) -> None:
        super().__init__(
            f"the archive has {size} bytes, and S3 takes at most {LARGEST_PUT} in one PUT: "
            "nothing was sent; give upload[parts] instead of upload[url], or download it"
        )


def _headers(job: Job, archive: FinishedArchive) -> dict[str, str]:
    """Return headers that are the same in each attempt. Presigned URLs let them pass: none is S3's own."""
    return {
        "Idempotency-Key": f'"crossdock-{job.id}-{archive.etag}"',
        "X-Crossdock-Job": str(job.id),
    }


def check_size(target: UploadTarget, size: int) -> None:
    """Raise UploadTooLarge if ``target`` is S3, by its host or its signature, and the archive too large."""
    if target.method == "PUT" and size > LARGEST_PUT and _is_s3(target.url):
        raise UploadTooLarge(size)


def _is_s3(text: str) -> bool:
    url = parse(text, SCHEMES)
    signed = any(names <= url.query.keys() for names in _S3_SIGNATURES)
    return signed or (url.host or "").lower().removesuffix(".").endswith(_S3_HOSTS)


class Uploader:
    """Uploads archives. ``connect`` makes a client by the current outbound policy.

    An upload needs little but time, and in memory no more than a piece of its archive.
    """

    def __init__(
        self, pool: Pool, reader: ArchiveReader, connect: Callable[[], Awaitable[RemoteClient]]
    ) -> None:
        self._pool = pool
        self._reader = reader
        self._connect = connect

    async def run(self, job: Job, lease: Lease, progress: Progress) -> None:
        """Send the archive once, and mark the job finished with the outcome. May be repeated.

        An exporter that dies between the target's answer and the end of the job leaves it to another one,
        which sends the archive again: under the same key, by which the target can tell. In parts, it sends
        those that are not known to have been taken.

        Raises UploadTooLarge, PartsTooFew, BlockedUrl and RemoteError, which are the target's, ArchiveGone,
        and errors of the store and the database.
        """
        assert isinstance(job.order, UploadOrder)  # noqa: S101  # this worker claims no other kind
        target = job.order.upload
        archive = await self._find(job)
        if archive is None or target is None:
            raise ArchiveGone
        progress.bytes_total = archive.size
        addresses = PartAddresses.read(target.url) if target.in_parts else None
        async with _kept(self._pool, archive):
            if addresses is None:
                check_size(target, archive.size)
                progress.begin(Phase.UPLOADING)
                status = await self._send(archive, target, progress, headers=_headers(job, archive))
            else:
                status = await self._send_parts(job, lease, progress, archive=archive, addresses=addresses)
        url = target.url if addresses is None else addresses.complete_url
        outcome = UploadOutcome(
            url=mask_url(url), status=status, attempts=job.attempt, bytes=archive.size, error=None
        )
        _log.info("archive_uploaded", **asdict(outcome))
        async with self._pool.acquire() as db, db.transaction():
            await jobs.finish(db, lease, progress=progress.report(), outcome=Outcome(upload=outcome))
            await sent_parts.remove_sent(db, job.id)

    async def _find(self, job: Job) -> FinishedArchive | None:
        """Find the archive that the parent of an upload has made."""
        return None if job.parent_id is None else await archives.find_by_job(self._pool, job.parent_id)

    async def _send(
        self,
        archive: FinishedArchive,
        target: UploadTarget,
        progress: Progress,
        *,
        headers: Mapping[str, str],
    ) -> int:
        client = await self._connect()
        pieces = self._reader.read(archive, 0, archive.size)
        async with aclosing(pieces), aclosing(count_pieces(pieces, progress)) as body:
            answer = await client.send(
                target.method,
                target.url,
                headers={**headers, "Content-Type": "application/gzip"},
                body=body,
                length=archive.size,
            )
        if answer.status not in _OK:
            url = parse(target.url, SCHEMES)
            reason = reason_of(answer.excerpt, url)
            raise bad_status(url, answer.status, reason, wait=told_wait(answer.headers))
        return answer.status

    async def _send_parts(
        self,
        job: Job,
        lease: Lease,
        progress: Progress,
        *,
        archive: FinishedArchive,
        addresses: PartAddresses,
    ) -> int:
        """Send the archive in parts. An attempt that has sent any is not one of those that the job has."""
        upload = UploadInParts(
            self._pool,
            self._reader,
            await self._connect(),
            archive=archive,
            addresses=addresses,
            lease=lease,
            progress=progress,
        )
        try:
            return await upload.send(_headers(job, archive))
        except CrossdockError as error:
            error.counts = not upload.got_further
            if _is_final(job, error):
                await upload.abort()
            raise

    async def explain(self, job: Job, error: CrossdockError) -> str:  # noqa: ARG002  # the port's
        """Return what users are told of the error, which shows nothing secret of the address."""
        return error.shown


def _is_final(job: Job, error: CrossdockError) -> bool:
    """Tell whether no attempt follows one that ended so. An outage of ours, which may be, has others."""
    if isinstance(error, LeaseLost) or error.is_outage:
        return False
    is_of_target = isinstance(error, BlockedUrl | RemoteError)
    return not error.retryable or (is_of_target and error.counts and job.attempt >= job.max_attempts)


@asynccontextmanager
async def _kept(pool: Pool, archive: FinishedArchive) -> AsyncIterator[None]:
    """Keep the archive until the block ends. Raises ArchiveGone."""
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(keep_for_reading(pool, archive.snapshot_id))
        except SnapshotGone:
            raise ArchiveGone from None
        yield
