"""Uploads a finished archive to the URL that the user gave."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta

import stamina

from shared.errors import CrossdockError, Fault
from shared.exports.archives import FinishedArchive
from shared.jobs.models import UploadOutcome, UploadTarget
from shared.jobs.progress import Progress
from shared.outbound.policy import SCHEMES
from shared.remote.client import RemoteClient
from shared.remote.errors import (
    AnswerEarly,
    BlockedUrl,
    RedirectRefused,
    RemoteError,
    StatusRefused,
    bad_status,
)
from shared.remote.masking import mask_url
from shared.remote.urls import parse
from shared.storage.base import ObjectStore

LARGEST_PUT = 5 * 2**30
"""The most bytes that S3 accepts in one PUT (Amazon S3 user guide: Uploading objects)."""

_S3_HOSTS = (".amazonaws.com", ".amazonaws.com.cn")
_S3_SIGNATURES = (frozenset({"X-Amz-Signature"}), frozenset({"AWSAccessKeyId", "Signature"}))
"""The parameters of presigned URLs, version 4 and version 2. Other S3 servers than AWS use them too."""

_ATTEMPTS = 5
_LONGEST_DELAY = timedelta(seconds=30)
_LONGEST_ERROR = 2000
_OK = range(200, 300)
_HEADERS = {"Content-Type": "application/gzip"}


class UploadTooLarge(CrossdockError):
    """The archive exceeds the size that S3 accepts in one PUT: download it instead. Nothing was sent."""

    code = "upload_too_large"
    fault = Fault.CLIENT

    def __init__(self, size: int) -> None:
        super().__init__(
            f"the archive has {size} bytes, and S3 takes at most {LARGEST_PUT} in one PUT: "
            "nothing was sent, download it instead"
        )


def check_size(target: UploadTarget, size: int) -> None:
    """Raise UploadTooLarge if ``target`` is S3, by its host or its signature, and the archive too large."""
    if target.method == "PUT" and size > LARGEST_PUT and _is_s3(target.url):
        raise UploadTooLarge(size)


def _is_s3(text: str) -> bool:
    url = parse(text, SCHEMES)
    signed = any(names <= url.query.keys() for names in _S3_SIGNATURES)
    return signed or (url.host or "").lower().removesuffix(".").endswith(_S3_HOSTS)


@dataclass(slots=True)
class _AttemptCount:
    """The number of attempts of an upload, and the progress of its job."""

    progress: Progress
    attempts: int = 0


class Uploader:
    """Uploads archives from the store. ``connect`` makes a client by the current outbound policy."""

    def __init__(
        self,
        store: ObjectStore,
        connect: Callable[[], Awaitable[RemoteClient]],
        *,
        first_delay: timedelta = timedelta(seconds=1),
    ) -> None:
        self._store = store
        self._connect = connect
        self._first_delay = first_delay

    async def upload(
        self, archive: FinishedArchive, target: UploadTarget, progress: Progress
    ) -> UploadOutcome:
        """Send the archive, with up to five attempts if the error is transient, and return the outcome.

        Errors of the store and the database are raised, because they are not the target's.
        """
        tries = _AttemptCount(progress)
        status, error = None, None
        try:
            check_size(target, archive.size)
            status = await self._send_with_retries(archive, target, tries)
        except (UploadTooLarge, BlockedUrl, RemoteError) as failure:
            status, error = _status(failure), str(failure)
        return UploadOutcome(
            url=mask_url(target.url),
            status=status,
            attempts=tries.attempts,
            bytes=archive.size,
            error=error and error[:_LONGEST_ERROR],
        )

    async def _send_with_retries(
        self, archive: FinishedArchive, target: UploadTarget, tries: _AttemptCount
    ) -> int:
        async for attempt in stamina.retry_context(
            on=_is_transient,
            attempts=_ATTEMPTS,
            timeout=None,
            wait_initial=self._first_delay,
            wait_max=_LONGEST_DELAY,
            wait_jitter=self._first_delay,
        ):
            with attempt:
                tries.attempts = attempt.num
                return await self._send(archive, target, tries.progress)
        raise AssertionError  # the last attempt returns or raises

    async def _send(self, archive: FinishedArchive, target: UploadTarget, progress: Progress) -> int:
        client = await self._connect()
        pieces = self._store.read(archive.key, length=archive.size)
        async with aclosing(pieces), aclosing(_count(pieces, progress)) as body:
            answer = await client.send(
                target.method, target.url, headers=_HEADERS, body=body, length=archive.size
            )
        if answer.status not in _OK:
            raise bad_status(parse(target.url, SCHEMES), answer.status)
        return answer.status


async def _count(pieces: AsyncGenerator[bytes, None], progress: Progress) -> AsyncGenerator[bytes, None]:
    """Yield the pieces, and count each once the next one is requested."""
    async for piece in pieces:
        yield piece
        progress.other_bytes += len(piece)


def _is_transient(error: Exception) -> bool:
    return isinstance(error, CrossdockError) and error.retryable


def _status(error: CrossdockError) -> int | None:
    return error.status if isinstance(error, (StatusRefused, RedirectRefused, AnswerEarly)) else None
