"""Sends an archive to the presigned addresses of a multipart upload of S3, one part after another."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from xml.sax.saxutils import escape

import structlog
from multidict import CIMultiDictProxy

from services.exporter.counting import count_pieces
from shared.database.pool import Pool
from shared.errors import CrossdockError, Fault
from shared.exports.archive_reader import ArchiveReader
from shared.exports.archives import FinishedArchive
from shared.exports.digests import hash_beside
from shared.jobs import sent_parts
from shared.jobs.models import Lease
from shared.jobs.progress import Phase, Progress
from shared.logs import describe
from shared.outbound.policy import SCHEMES
from shared.remote.client import RemoteClient
from shared.remote.document import RemoteDocument
from shared.remote.errors import AnswerMalformed, RemoteError, StatusFailing, StatusRefused, bad_status
from shared.remote.part_addresses import PartAddresses
from shared.remote.reasons import reason_of
from shared.remote.urls import parse
from shared.remote.waits import told_wait

_LARGEST_ANSWER = 64 * 1024
"""Bytes of the answer to a completion: S3 sends blanks while it works, and a short document then."""

_LONGEST_ETAG = 1024
_ABORT_DEADLINE = timedelta(seconds=30)
_OK = range(200, 300)
_COMPLETED = re.compile(rb"<(\w+:)?CompleteMultipartUploadResult\b")
_PASSING = ("InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown")
"""The codes that S3 gives, within an answer of 200, where the same completion may succeed later."""

_GONE = "NoSuchUpload"
_MD5 = re.compile(r'"?([0-9a-f]{32})"?')
_OTHER_ETAGS = (
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
)
"""The headers of objects whose entity tag is no MD5 (Amazon S3 API reference: Object, ETag)."""

_log = structlog.get_logger()


class PartsTooFew(CrossdockError):
    """The archive exceeds what the addresses of upload[parts] take: give more, or a larger part_size."""

    code = "upload_parts_too_few"
    fault = Fault.CLIENT

    def __init__(self, size: int, addresses: PartAddresses) -> None:
        super().__init__(
            f"the archive has {size} bytes, and the {len(addresses.part_urls)} addresses of "
            f"upload[parts][part_urls] take at most {addresses.most}, {addresses.part_size} each "
            "(upload[parts][part_size]): nothing was sent"
        )


class PartDamaged(RemoteError):
    """The target of an upload has taken other bytes of a part than were sent, by its entity tag."""

    code = "upload_part_damaged"
    retryable = True


@dataclass(frozen=True, slots=True)
class _Part:
    number: int
    url: str
    start: int
    length: int


class UploadInParts:
    """One attempt of an upload: parts that an earlier one has sent are not sent again.

    ``got_further`` says whether this one has sent any.
    """

    def __init__(  # what an attempt is made of
        self,
        pool: Pool,
        reader: ArchiveReader,
        client: RemoteClient,
        *,
        archive: FinishedArchive,
        addresses: PartAddresses,
        lease: Lease,
        progress: Progress,
    ) -> None:
        self._pool = pool
        self._reader = reader
        self._client = client
        self._archive = archive
        self._addresses = addresses
        self._lease = lease
        self._progress = progress
        self.got_further = False

    async def send(self, headers: Mapping[str, str]) -> int:
        """Send the parts that are missing, and complete the upload; give the status of that.

        A part that was sent and not written down is sent again, which replaces it. Raises PartsTooFew,
        PartDamaged, BlockedUrl and RemoteError, and errors of the store and the database.
        """
        if self._archive.size > self._addresses.most:
            raise PartsTooFew(self._archive.size, self._addresses)
        etags = await sent_parts.list_sent(self._pool, self._lease.job_id)
        missing = [part for part in self._parts() if part.number not in etags]
        self._progress.bytes_done = self._archive.size - sum(part.length for part in missing)
        self._progress.begin(Phase.UPLOADING)
        for part in missing:
            etag = etags[part.number] = await self._send_part(part, headers)
            await sent_parts.add_sent(self._pool, self._lease, part.number, etag)
            self.got_further = True
        return await self._complete(etags, headers)

    async def abort(self) -> None:
        """Have the target delete what it has, and forget the addresses. Raises nothing of the target."""
        url = self._addresses.abort_url
        if url is None:
            return
        try:
            async with asyncio.timeout(_ABORT_DEADLINE.total_seconds()):
                answer = await self._client.send("DELETE", url, headers={}, body=_once(b""), length=0)
                if answer.status not in _OK:
                    raise bad_status(parse(url, SCHEMES), answer.status)
        except (CrossdockError, TimeoutError) as error:
            _log.warning("upload_not_aborted", error=describe(error))
            return
        _log.info("upload_aborted")
        await sent_parts.forget_upload(self._pool, self._lease)

    def _parts(self) -> Iterator[_Part]:
        size = self._addresses.part_size
        for index, start in enumerate(range(0, self._archive.size, size)):
            url, length = self._addresses.part_urls[index], min(size, self._archive.size - start)
            yield _Part(index + 1, url, start, length)

    async def _send_part(self, part: _Part, headers: Mapping[str, str]) -> str:
        """Send a part, and give its entity tag. Raises PartDamaged where that is another MD5."""
        digest = b""

        async def keep(made: bytes) -> None:
            nonlocal digest
            digest = made

        pieces = self._reader.read(self._archive, part.start, part.length)
        hashed = hash_beside(pieces, part.length, record=keep, algorithm="md5")
        async with aclosing(hashed), aclosing(count_pieces(hashed, self._progress)) as body:
            answer = await self._client.send("PUT", part.url, headers=headers, body=body, length=part.length)
        url = parse(part.url, SCHEMES)
        if answer.status not in _OK:
            raise bad_status(
                url, answer.status, reason_of(answer.excerpt, url), wait=told_wait(answer.headers)
            )
        etag = answer.headers.get("ETag", "")
        if not 1 <= len(etag) <= _LONGEST_ETAG:
            raise AnswerMalformed(url, "no ETag of a part")
        if (told := _told_md5(answer.headers)) and told != digest.hex():
            raise PartDamaged(url, f"has taken other bytes of part {part.number} than were sent")
        return etag

    async def _complete(self, etags: Mapping[int, str], headers: Mapping[str, str]) -> int:
        """Complete the upload. An attempt before may have done so whose answer was lost."""
        body, url = _completion(etags), self._addresses.complete_url
        answer = await self._client.submit(
            url,
            headers={**headers, "Content-Type": "application/xml"},
            body=_once(body),
            length=len(body),
            most=_LARGEST_ANSWER,
        )
        if answer.status in _OK and _COMPLETED.search(answer.body):
            return answer.status
        error = _refusal(url, answer)
        if isinstance(error, StatusRefused) and error.reason.startswith(_GONE) and await self._is_there():
            return answer.status
        raise error

    async def _is_there(self) -> bool:
        """Tell whether the object is there as ``get_url`` tells it: of the size of the archive."""
        if self._addresses.get_url is None:
            return False
        try:
            async with self._client.get(self._addresses.get_url) as download:
                return download.length == self._archive.size
        except StatusRefused as error:
            if error.retryable:
                raise
            return False


async def _once(body: bytes) -> AsyncIterator[bytes]:
    if body:
        yield body


def _told_md5(headers: CIMultiDictProxy[str]) -> str | None:
    """Return the MD5 that an entity tag is; None where it is another text."""
    if any(name in headers for name in _OTHER_ETAGS):
        return None
    match = _MD5.fullmatch(headers["ETag"])
    return match[1] if match else None


def _completion(etags: Mapping[int, str]) -> bytes:
    """Make the document that completes an upload: of 10,000 parts some 1 MiB."""
    parts = (
        f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(etags[number])}</ETag></Part>"
        for number in sorted(etags)
    )
    name = "CompleteMultipartUpload"
    return f'<{name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{"".join(parts)}</{name}>'.encode()


def _refusal(text: str, answer: RemoteDocument) -> RemoteError:
    """Make the error for a completion that failed, which S3 may tell within an answer of 200."""
    url = parse(text, SCHEMES)
    reason = reason_of(answer.body.lstrip(), url)
    if answer.status not in _OK:
        return bad_status(url, answer.status, reason, wait=told_wait(answer.headers))
    if not reason:
        return AnswerMalformed(url, "it neither completes the upload nor says why")
    return (StatusFailing if reason.startswith(_PASSING) else StatusRefused)(url, answer.status, reason)
