"""Multipart uploads whose parts come by presigned addresses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from shared.errors import ObjectMissing
from shared.storage.base import check_key
from shared.storage.direct import PartsRefused
from shared.storage.errors import OperationFailed
from shared.storage.s3_bucket import S3Bucket, translate_errors

_GONE = "NoSuchUpload"
_REFUSED = frozenset({_GONE, "InvalidPart", "InvalidPartOrder", "EntityTooSmall", "MalformedXML"})


class S3DirectWrites:
    """DirectWrites of one bucket. The addresses begin as ``endpoint_url`` does."""

    def __init__(self, bucket: S3Bucket) -> None:
        self._bucket = bucket

    async def begin(self, key: str) -> str:
        """See DirectWrites."""
        answer = await self._bucket.call_object("create_multipart_upload", check_key(key))
        return str(answer["UploadId"])

    async def address_of(self, key: str, write: str, number: int, *, length: int, valid: timedelta) -> str:
        """See DirectWrites. The signature covers the length, so that S3 takes no other."""
        part = {"UploadId": write, "PartNumber": number, "ContentLength": length}
        with translate_errors("presign", key):
            return await self._bucket.presign("upload_part", check_key(key), part, valid=valid)

    async def complete(self, key: str, write: str, etags: Sequence[str]) -> int:
        """See DirectWrites."""
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
        try:
            await self._bucket.call_object(
                "complete_multipart_upload", check_key(key), UploadId=write, MultipartUpload={"Parts": parts}
            )
        except OperationFailed as error:
            if error.cause not in _REFUSED:
                raise
            if error.cause != _GONE:
                raise PartsRefused(key, reason=error.cause) from error
            return await self._completed_before(key)
        return await self._size_of(key)

    async def _completed_before(self, key: str) -> int:
        """Give the size of the object that a completion has made whose answer may have been lost."""
        try:
            return await self._size_of(key)
        except ObjectMissing:
            raise PartsRefused(key, reason=_GONE) from None

    async def _size_of(self, key: str) -> int:
        answer = await self._bucket.call_object("head_object", key)
        return int(answer["ContentLength"])
