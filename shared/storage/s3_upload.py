"""Uploads one object to S3: by one request, or in parts, of which several are in flight at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Self

import structlog

from shared.errors import ObjectMissing, StorageError
from shared.shielding import to_the_end
from shared.storage.composition import ObjectRange
from shared.storage.errors import OperationFailed, WriterClosed
from shared.storage.s3_bucket import S3Bucket
from shared.storage.s3_part import Part
from shared.storage.s3_presigned import S3Presigned

_ABORT_GRACE = 5.0
"""Seconds that parts in flight get to arrive before an abort.

S3 may keep, unlisted and paid for, a part that arrives after it (Amazon S3 API reference,
AbortMultipartUpload).
"""
_ABORT_TIMEOUT = 30.0

_MakePart = Callable[[int], Coroutine[Any, Any, None]]
"""Makes the part of a number."""

_log = structlog.get_logger()


class S3Upload:
    """The upload of one object: aborted when left without ``commit``. Used by one task at a time.

    Nothing is begun before the first part: an object without one is a PutObject.
    """

    def __init__(self, bucket: S3Bucket, presigned: S3Presigned, key: str) -> None:
        self._bucket = bucket
        self._presigned = presigned
        self._key = key
        self._upload_id = ""
        self._begun = 0
        self._reserved = 0
        self._on_their_way: set[asyncio.Task[None]] = set()
        self._etags: dict[int, str] = {}
        self._failure: BaseException | None = None
        self._open = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.abort()

    def check(self) -> None:
        """Raise WriterClosed after the commit or abort, or else what a part raised."""
        if not self._open:
            raise WriterClosed(self._key)
        if self._failure is not None:
            raise self._failure

    @property
    def next_size(self) -> int:
        """How many bytes the next part has, unless it is the last."""
        return self._bucket.config.parts.of(self._begun + 1)

    async def reserve(self) -> None:
        """Wait until the store may hold the next part, where that is larger than the first ones."""
        if self.next_size > self._bucket.config.parts.first:
            await self._bucket.larger.acquire(self.next_size)
            self._reserved = self.next_size

    async def send(self, take: Callable[[], Part]) -> None:
        """Send the next part, which ``take`` gives once ``uploads_in_flight`` of the store are not in flight.

        Raises what an earlier part raised.
        """
        await self._begin_part(lambda number: self._send(number, take()))

    async def copy(self, source: ObjectRange) -> None:
        """Have S3 copy the next part, as ``send`` sends one."""
        await self._begin_part(lambda number: self._copy(number, source))

    async def commit(self, last: Part, *, size: int) -> None:
        """Send what is left, if anything, and make the object visible. Raises StorageError."""
        self.check()
        if self._upload_id:
            if len(last):
                await self.send(lambda: last)
            await self._complete(size)
        else:
            await self._put(last)
        self._open = False

    async def abort(self) -> None:
        """Delete everything that was sent. May be repeated; does nothing after ``commit``, raises nothing."""
        if self._open:
            self._open = False
            await to_the_end(self._discard())

    async def _put(self, body: Part) -> None:
        async with self._bucket.slots:
            if await self._presigned.put_object(self._key, body) is None:
                await self._bucket.call_object("put_object", self._key, Body=body)

    async def _begin_part(self, make: _MakePart) -> None:
        if not self._upload_id:
            await to_the_end(self._begin())
        await self._bucket.slots.acquire()
        # No await from here on: the slot and the part belong to the task, and it gives both back.
        self._begun += 1
        task = asyncio.create_task(make(self._begun))
        self._on_their_way.add(task)
        task.add_done_callback(partial(self._settle, self._reserved))
        self._reserved = 0
        self.check()

    async def _begin(self) -> None:
        answer = await self._bucket.call_object("create_multipart_upload", self._key)
        self._upload_id = answer["UploadId"]

    async def _send(self, number: int, body: Part) -> None:
        upload_id = self._upload_id
        etag = await self._presigned.upload_part(self._key, body, upload_id=upload_id, number=number)
        if etag is None:
            place = {"UploadId": upload_id, "PartNumber": number}
            etag = (await self._bucket.call_object("upload_part", self._key, Body=body, **place))["ETag"]
        self._etags[number] = etag

    async def _copy(self, number: int, source: ObjectRange) -> None:
        config = self._bucket.config
        answer = await self._bucket.call(
            "upload_part_copy",
            source.key,
            Key=config.prefix + self._key,
            UploadId=self._upload_id,
            PartNumber=number,
            CopySource={"Bucket": config.bucket, "Key": config.prefix + source.key},
            CopySourceRange=f"bytes={source.position}-{source.end - 1}",
        )
        self._etags[number] = answer["CopyPartResult"]["ETag"]

    def _settle(self, reserved: int, task: asyncio.Task[None]) -> None:
        # A callback and no "finally": a task cancelled before its first step never gets to one.
        self._bucket.slots.release()
        self._bucket.larger.release(reserved)
        self._on_their_way.discard(task)
        if not task.cancelled():
            error = task.exception()
            self._failure = self._failure or error

    async def _complete(self, size: int) -> None:
        if self._on_their_way:
            await asyncio.wait(self._on_their_way, return_when=asyncio.FIRST_EXCEPTION)
        self.check()
        parts = [{"PartNumber": number, "ETag": self._etags[number]} for number in sorted(self._etags)]
        try:
            await self._bucket.call_object(
                "complete_multipart_upload",
                self._key,
                UploadId=self._upload_id,
                MultipartUpload={"Parts": parts},
            )
        except OperationFailed as error:
            if error.cause != "NoSuchUpload" or not await self._is_there(size):
                raise

    async def _is_there(self, size: int) -> bool:
        """Tell whether an attempt whose answer was lost has completed the upload."""
        try:
            answer = await self._bucket.call_object("head_object", self._key)
        except ObjectMissing:
            return False
        return bool(answer["ContentLength"] == size)

    async def _discard(self) -> None:
        self._bucket.larger.release(self._reserved)
        self._reserved = 0
        await self._settle_all()
        if not self._upload_id:
            return
        try:
            async with asyncio.timeout(_ABORT_TIMEOUT):
                await self._bucket.call_object("abort_multipart_upload", self._key, UploadId=self._upload_id)
        except (StorageError, TimeoutError) as error:
            _log.warning("abort_failed", key=self._key, error=str(error))

    async def _settle_all(self) -> None:
        tasks = set(self._on_their_way)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_ABORT_GRACE)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
