"""Writes one object to S3 in parts, of which several are in flight at a time."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Self

import structlog

from shared.errors import ObjectMissing, StorageError
from shared.shielding import to_the_end
from shared.storage.checksums import BlockChecksums
from shared.storage.errors import ObjectTooLarge, OperationFailed, WriterClosed
from shared.storage.s3_bucket import S3Bucket
from shared.storage.s3_part import Part
from shared.storage.s3_presigned import S3Presigned

_ABORT_GRACE = 5.0
"""Seconds that parts in flight get to arrive before an abort.

S3 may keep, unlisted and paid for, a part that arrives after it (Amazon S3 API reference,
AbortMultipartUpload).
"""
_ABORT_TIMEOUT = 30.0

_log = structlog.get_logger()


class S3Writer:
    """ObjectWriter: one PutObject for no more than the first part holds, a multipart upload for more.

    Each writer holds at most one part, which is sent when it is full and more bytes come.
    """

    def __init__(self, bucket: S3Bucket, presigned: S3Presigned, key: str) -> None:
        self._bucket = bucket
        self._presigned = presigned
        self._key = key
        self._part = Part()
        self._size = 0
        self._checksums = BlockChecksums()
        self._upload_id = ""
        self._sent = 0
        self._reserved = 0
        self._on_their_way: set[asyncio.Task[None]] = set()
        self._etags: dict[int, str] = {}
        self._failure: BaseException | None = None
        self._open = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.abort()

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """See ObjectWriter; waits while the store has as many parts in flight, or larger ones, as it may."""
        self._check()
        view = memoryview(data if isinstance(data, bytes) else bytes(data))
        self._grow(len(view))
        self._checksums.update(view)
        while view:
            if not len(self._part):
                await self._reserve()
            room = self._bucket.config.parts.of(self._sent + 1) - len(self._part)
            if room:
                self._part.append(view[:room])
                view = view[room:]
            else:
                await self._send_part()

    @property
    def crc32s(self) -> bytes:
        """See ObjectWriter."""
        return self._checksums.digest()

    async def commit(self) -> int:
        """See ObjectWriter."""
        self._check()
        if self._upload_id:
            await self._complete()
        else:
            await self._put()
            self._part = Part()  # the caller may keep the writer for long
        self._open = False
        return self._size

    async def abort(self) -> None:
        """See ObjectWriter."""
        if self._open:
            self._open = False
            await to_the_end(self._discard())

    def _check(self) -> None:
        if not self._open:
            raise WriterClosed(self._key)
        if self._failure is not None:
            raise self._failure

    def _grow(self, count: int) -> None:
        limit = self._bucket.config.parts.total
        if self._size + count > limit:
            raise ObjectTooLarge(self._key, limit=limit)
        self._size += count

    async def _put(self) -> None:
        async with self._bucket.slots:
            if await self._presigned.put_object(self._key, self._part) is None:
                await self._bucket.call_object("put_object", self._key, Body=self._part)

    async def _reserve(self) -> None:
        """Wait until the store may hold the next part, where that is larger than the first ones."""
        parts = self._bucket.config.parts
        size = parts.of(self._sent + 1)
        if size > parts.first:
            await self._bucket.larger.acquire(size)
            self._reserved = size

    async def _send_part(self) -> None:
        if not self._upload_id:
            await to_the_end(self._begin())
        await self._bucket.slots.acquire()
        # No await from here on: the slot and the part belong to the task, and it gives both back.
        self._sent += 1
        body, self._part = self._part, Part()
        task = asyncio.create_task(self._upload(self._sent, body))
        self._on_their_way.add(task)
        task.add_done_callback(partial(self._settle, self._reserved))
        self._reserved = 0
        self._check()

    async def _begin(self) -> None:
        answer = await self._bucket.call_object("create_multipart_upload", self._key)
        self._upload_id = answer["UploadId"]

    async def _upload(self, number: int, body: Part) -> None:
        upload_id = self._upload_id
        etag = await self._presigned.upload_part(self._key, body, upload_id=upload_id, number=number)
        if etag is None:
            place = {"UploadId": upload_id, "PartNumber": number}
            etag = (await self._bucket.call_object("upload_part", self._key, Body=body, **place))["ETag"]
        self._etags[number] = etag

    def _settle(self, reserved: int, task: asyncio.Task[None]) -> None:
        # A callback and no "finally": a task cancelled before its first step never gets to one.
        self._bucket.slots.release()
        self._bucket.larger.release(reserved)
        self._on_their_way.discard(task)
        if not task.cancelled():
            error = task.exception()
            self._failure = self._failure or error

    async def _complete(self) -> None:
        await self._send_part()
        await asyncio.wait(self._on_their_way, return_when=asyncio.FIRST_EXCEPTION)
        self._check()
        parts = [{"PartNumber": number, "ETag": self._etags[number]} for number in sorted(self._etags)]
        try:
            await self._bucket.call_object(
                "complete_multipart_upload",
                self._key,
                UploadId=self._upload_id,
                MultipartUpload={"Parts": parts},
            )
        except OperationFailed as error:
            if error.cause != "NoSuchUpload" or not await self._is_there():
                raise

    async def _is_there(self) -> bool:
        """Tell whether an attempt whose answer was lost has completed the upload."""
        try:
            answer = await self._bucket.call_object("head_object", self._key)
        except ObjectMissing:
            return False
        return bool(answer["ContentLength"] == self._size)

    async def _discard(self) -> None:
        self._part = Part()
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
