"""Writes one object to S3, in parts that are filled one after another."""

from __future__ import annotations

from typing import Self

from shared.storage.checksums import BlockChecksums
from shared.storage.errors import ObjectTooLarge
from shared.storage.s3_bucket import S3Bucket
from shared.storage.s3_part import Part
from shared.storage.s3_presigned import S3Presigned
from shared.storage.s3_upload import S3Upload


class S3Writer:
    """ObjectWriter: one PutObject for no more than the first part holds, a multipart upload for more.

    Each writer holds at most one part, which is sent when it is full and more bytes come.
    """

    def __init__(self, bucket: S3Bucket, presigned: S3Presigned, key: str) -> None:
        self._key = key
        self._limit = bucket.config.parts.total
        self._upload = S3Upload(bucket, presigned, key)
        self._part = Part()
        self._size = 0
        self._checksums = BlockChecksums()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.abort()

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """See ObjectWriter; waits while the store has as many parts in flight, or larger ones, as it may."""
        self._upload.check()
        view = memoryview(data if isinstance(data, bytes) else bytes(data))
        self._grow(len(view))
        self._checksums.update(view)
        while view:
            if not len(self._part):
                await self._upload.reserve()
            room = self._upload.next_size - len(self._part)
            if room:
                self._part.append(view[:room])
                view = view[room:]
            else:
                await self._upload.send(self._taken)

    @property
    def crc32s(self) -> bytes:
        """See ObjectWriter."""
        return self._checksums.digest()

    async def commit(self) -> int:
        """See ObjectWriter."""
        await self._upload.commit(self._part, size=self._size)
        self._part = Part()  # the caller may keep the writer for long
        return self._size

    async def abort(self) -> None:
        """See ObjectWriter."""
        self._part = Part()
        await self._upload.abort()

    def _grow(self, count: int) -> None:
        if self._size + count > self._limit:
            raise ObjectTooLarge(self._key, limit=self._limit)
        self._size += count

    def _taken(self) -> Part:
        part, self._part = self._part, Part()
        return part
