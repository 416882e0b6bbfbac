"""Objects in a bucket of S3, or of a server with S3's protocol, through aiobotocore.

Bytes and sizes go through presigned addresses first, everything else and every second attempt by its client.

Memory: each writer fills one part, and the whole store has ``uploads_in_flight`` parts in flight, so that at
most ``writers + uploads_in_flight`` parts of the first size are held, each as the pieces that were written,
and what the HTTP client copies besides (256 KiB a connection). The parts of an object are larger after the
first 1,280 (6 GiB by default): of these, all writers together hold ``larger_parts`` bytes, or a single one
of up to a 640th of its object. A read holds at most 256 KiB, and as much waits for it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import get_session
from botocore.loaders import Loader

from shared.storage.base import Composed, ObjectInfo, check_key
from shared.storage.composition import Piece
from shared.storage.errors import KeysMissing, OperationFailed
from shared.storage.s3_bucket import Outside, S3Bucket, S3Config, refusal, translate_errors
from shared.storage.s3_composer import S3Composer
from shared.storage.s3_correlation import name_request
from shared.storage.s3_descriptions import UndocumentedDescriptions
from shared.storage.s3_direct import S3DirectWrites
from shared.storage.s3_presigned import S3Presigned, s3_presigned
from shared.storage.s3_reader import S3Reader
from shared.storage.s3_slots import Slots
from shared.storage.s3_writer import S3Writer

__all__ = ["S3Config", "S3Store", "s3_store"]

_DELETED_AT_ONCE = 1000
"""Keys that one DeleteObjects takes: Amazon S3 API reference."""
_ANSWERED = {"Content-Type": "ResponseContentType", "Content-Disposition": "ResponseContentDisposition"}
"""What names the headers of an answer in a presigned address."""
_DEFAULT_REGION = "us-east-1"
_SESSION = get_session()
"""Keeps the description of S3, megabytes of JSON, for all clients: the second costs a tenth of the first."""
_SESSION.register_component("data_loader", Loader(file_loader=UndocumentedDescriptions()))


@asynccontextmanager
async def s3_store(config: S3Config) -> AsyncIterator[S3Store]:
    """Open a store with connections of its own; leave the block once no writer and no read is open.

    Raises KeysMissing for a bucket outside whose keys are not given.
    """
    if config.outside is not None and not (config.access_key and config.secret_key):
        raise KeysMissing(config.bucket)
    async with _SESSION.create_client(
        "s3",
        endpoint_url=config.endpoint_url,
        region_name=config.region,
        aws_access_key_id=config.access_key,
        aws_secret_access_key=config.secret_key,
        config=_client_config(config),
    ) as client:
        client.meta.events.register("before-send.s3", name_request)
        size = config.parts.first
        larger = Slots(max(1, config.larger_parts // size), size=size)
        bucket = S3Bucket(client, config, asyncio.Semaphore(config.uploads_in_flight), larger)
        async with s3_presigned(bucket) as presigned:
            yield S3Store(bucket, presigned)


def _client_config(config: S3Config) -> AioConfig:
    return AioConfig(
        signature_version="s3v4",  # of presigned addresses too
        # A SHA-256 of each part in its signature would cost three times what sending it does.
        s3={"addressing_style": config.addressing_style, "payload_signing_enabled": False},
        max_pool_connections=config.connections,
        connect_timeout=config.connect_timeout.total_seconds(),
        read_timeout=config.read_timeout.total_seconds(),
        retries={"mode": "standard", "total_max_attempts": config.attempts},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        **_outside(config.outside),
    )


def _outside(outside: Outside | None) -> dict[str, Any]:
    """Give what keeps the environment of the process from a bucket of a user: proxies, and endpoints."""
    if outside is None:
        return {}
    checked = {"resolver": outside.resolver, "use_dns_cache": False}
    trusted = {} if outside.tls is None else {"http_session_cls": _trusting(outside.tls)}
    return {"connector_args": checked, "proxies": {}, "ignore_configured_endpoint_urls": True, **trusted}


def _trusting(tls: ssl.SSLContext) -> type[AIOHTTPSession]:
    """Make the class of sessions that verify by ``tls``: the client has a setting for a file alone."""

    class TrustingSession(AIOHTTPSession):  # type: ignore[misc]  # the package has no types
        def _build_verify_context(self) -> ssl.SSLContext:
            return tls

    return TrustingSession


class S3Store:
    """ObjectStore in one bucket, below ``prefix``; made by ``s3_store``."""

    def __init__(self, bucket: S3Bucket, presigned: S3Presigned) -> None:
        self._bucket = bucket
        self._presigned = presigned
        self._direct = S3DirectWrites(bucket)
        self._prefix = bucket.config.prefix

    def create(self, key: str) -> S3Writer:
        """See ObjectStore."""
        return S3Writer(self._bucket, self._presigned, check_key(key))

    async def read(
        self, key: str, *, start: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """See ObjectStore; chunks have at most 256 KiB, and broken connections are resumed."""
        reader = S3Reader(self._bucket, self._presigned, check_key(key), start=start, length=length)
        async with aclosing(reader.chunks()) as chunks:
            async for chunk in chunks:
                yield chunk

    async def compose(self, key: str, pieces: AsyncIterator[Piece], *, size: int) -> Composed:
        """See ObjectStore; S3 copies by UploadPartCopy."""
        return await S3Composer(self._bucket, self._presigned, check_key(key), size=size).compose(pieces)

    async def stat(self, key: str) -> ObjectInfo:
        """See ObjectStore."""
        size = await self._presigned.head_object(check_key(key))
        if size is None:
            size = (await self._bucket.call_object("head_object", key))["ContentLength"]
        return ObjectInfo(key, size)

    async def presign(self, key: str, *, method: str, valid: timedelta, headers: Mapping[str, str]) -> str:
        """See ObjectStore; the address begins as ``endpoint_url`` does."""
        named = {_ANSWERED[name]: value for name, value in headers.items()}
        with translate_errors("presign", key):
            return await self._bucket.presign("get_object", check_key(key), named, valid=valid, method=method)

    @property
    def direct(self) -> S3DirectWrites:
        """See ObjectStore."""
        return self._direct

    async def delete(self, keys: Iterable[str]) -> None:
        """See ObjectStore; a thousand keys a call."""
        names = iter(keys)
        while batch := [check_key(key) for key in islice(names, _DELETED_AT_ONCE)]:
            objects = [{"Key": self._prefix + key} for key in batch]
            answer = await self._bucket.call("delete_objects", Delete={"Objects": objects, "Quiet": True})
            for error in answer.get("Errors", []):
                key = error["Key"].removeprefix(self._prefix)
                raise refusal("delete_objects", key, code=error["Code"], message=error.get("Message", ""))

    async def list(self, prefix: str = "") -> AsyncGenerator[ObjectInfo, None]:
        """See ObjectStore."""
        async for page in self._bucket.pages("list_objects_v2", Prefix=self._prefix + prefix):
            for found in page.get("Contents", []):
                key = found["Key"].removeprefix(self._prefix)
                yield ObjectInfo(key, found["Size"], found["LastModified"])

    async def abort_uploads(self, *, older_than: timedelta) -> int:
        """See ObjectStore; the age counts from the beginning of the upload, on the store's clock."""
        last = datetime.now(UTC) - older_than
        return await self._abort_uploads(self._prefix, lambda upload: bool(upload["Initiated"] <= last))

    async def abort_uploads_of(self, key: str) -> int:
        """See ObjectStore; one call lists a thousand uploads."""
        name = self._prefix + check_key(key)
        return await self._abort_uploads(name, lambda upload: bool(upload["Key"] == name))

    async def check(self) -> None:
        """See ObjectStore: the bucket exists and is accessible."""
        await self._bucket.call("head_bucket")

    async def ensure_bucket(self) -> None:
        """Create the bucket where it is missing. May be repeated."""
        region = self._bucket.config.region
        place = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        try:
            await self._bucket.call("create_bucket", **({} if region == _DEFAULT_REGION else place))
        except OperationFailed as error:
            if error.cause != "BucketAlreadyOwnedByYou":
                raise

    async def _abort_uploads(self, prefix: str, is_wanted: Callable[[dict[str, Any]], bool]) -> int:
        count = 0
        async for page in self._bucket.pages("list_multipart_uploads", Prefix=prefix):
            for upload in filter(is_wanted, page.get("Uploads", [])):
                count += await self._abort_upload(upload["Key"], upload["UploadId"])
        return count

    async def _abort_upload(self, name: str, upload_id: str) -> int:
        """Abort one upload, and give 1; give 0 where its writer has ended it first."""
        try:
            await self._bucket.call("abort_multipart_upload", Key=name, UploadId=upload_id)
        except OperationFailed as error:
            if error.cause != "NoSuchUpload":
                raise
            return 0
        return 1
