"""Asks S3 by presigned addresses, which cost a fourth of a call of the client in processor time.

Each request is made once, and follows no redirect, which could lead anywhere. Where it does not succeed, for
whatever reason, the caller makes the same call by
the client, which tries again, and knows what an error means.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from http import HTTPStatus
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import structlog
from botocore.exceptions import BotoCoreError
from yarl import URL

from shared.storage.s3_bucket import S3Bucket, S3Config
from shared.storage.s3_correlation import with_correlation_id
from shared.storage.s3_part import Part

_BUFFER = 128 * 1024
"""Bytes of an answer that wait for their reader; it is twice as much until the connection is paused."""

_VALID = timedelta(minutes=5)
"""How long a signature holds: as long as clocks may differ, and a request may wait for its turn."""

_FOUND = (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT)
_TAKES_NO_BODIES = (
    HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.LENGTH_REQUIRED, HTTPStatus.NOT_IMPLEMENTED,
)  # fmt: skip
_ERRORS = (BotoCoreError, aiohttp.ClientError, OSError)  # TimeoutError is an OSError

_log = structlog.get_logger()


class S3Presigned:
    """Requests on the objects of one bucket; made by ``s3_presigned``.

    A server may refuse presigned addresses (a rule of the bucket on ``s3:authType``). It is sent no further
    body then, as each would be sent twice.
    """

    def __init__(self, bucket: S3Bucket, session: aiohttp.ClientSession) -> None:
        self._bucket = bucket
        self._session = session
        self._heads = asyncio.Semaphore(bucket.config.heads_in_flight)
        self._takes_bodies = True

    async def head_object(self, key: str) -> int | None:
        """Give the size of an object in bytes; None where S3 does not tell it at once."""
        try:
            async with self._heads, self._deadline():
                url = await self._address("head_object", key)
                async with self._session.head(url, headers=_named(), allow_redirects=False) as answer:
                    return answer.content_length if answer.status == HTTPStatus.OK else None
        except _ERRORS:
            return None

    async def get_object(self, key: str, conditions: Mapping[str, str]) -> aiohttp.ClientResponse | None:
        """Begin to read an object, of which the headers ``conditions`` want a part, or a version.

        None where S3 does not give it at once. Close the answer.
        """
        try:
            async with self._deadline():
                url = await self._address("get_object", key)
                answer = await self._session.get(url, headers=_named(conditions), allow_redirects=False)
        except _ERRORS:
            return None
        if answer.status in _FOUND:
            return answer
        answer.close()
        return None

    async def put_object(self, key: str, body: Part) -> str | None:
        """Write an object, and give its ETag; None where S3 does not take it at once."""
        return await self._put(body, "put_object", key)

    async def upload_part(self, key: str, body: Part, *, upload_id: str, number: int) -> str | None:
        """Write a part, and give its ETag; None where S3 does not take it at once."""
        return await self._put(body, "upload_part", key, UploadId=upload_id, PartNumber=number)

    async def _put(self, body: Part, operation: str, key: str, **parameters: object) -> str | None:
        if not self._takes_bodies:
            return None
        headers = _named({"Content-Length": str(len(body))})
        try:
            async with self._deadline():
                url = await self._address(operation, key, **parameters)
                sending = self._session.put(url, headers=headers, data=body, allow_redirects=False)
                async with sending as answer:
                    self._learn(answer.status)
                    return answer.headers.get("ETag") if answer.status == HTTPStatus.OK else None
        except _ERRORS:
            return None

    def _learn(self, status: int) -> None:
        if status in _TAKES_NO_BODIES:
            self._takes_bodies = False
            _log.warning("presigned_uploads_refused", status=status)

    def _deadline(self) -> asyncio.Timeout:
        return asyncio.timeout(self._bucket.config.call_timeout.total_seconds())

    async def _address(self, operation: str, key: str, **parameters: object) -> URL:
        return URL(await self._bucket.presign(operation, key, parameters, valid=_VALID), encoded=True)


def _named(more: Mapping[str, str] | None = None) -> dict[str, str]:
    return {"User-Agent": with_correlation_id("crossdock"), "Accept-Encoding": "identity", **(more or {})}


def _proxy_for(url: str) -> str | None:
    """Give the proxy that the environment names, as the client uses it.

    aiohttp would look for it at each request, and send a password of ~/.netrc beside the signature.
    """
    parts = urlsplit(url)
    return None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)


def _connector(config: S3Config) -> aiohttp.TCPConnector:
    limit = config.connections + config.heads_in_flight
    if config.outside is None:
        return aiohttp.TCPConnector(limit=limit)
    outside = config.outside
    return aiohttp.TCPConnector(
        limit=limit, resolver=outside.resolver, use_dns_cache=False, ssl=outside.tls or True
    )


@asynccontextmanager
async def s3_presigned(bucket: S3Bucket) -> AsyncIterator[S3Presigned]:
    """Open connections beside those of the client."""
    config = bucket.config
    timeout = aiohttp.ClientTimeout(
        total=None,  # a read takes as long as its reader
        sock_connect=config.connect_timeout.total_seconds(),
        sock_read=config.read_timeout.total_seconds(),
    )
    async with aiohttp.ClientSession(
        connector=_connector(config),
        timeout=timeout,
        read_bufsize=_BUFFER,
        auto_decompress=False,
        proxy=None if config.outside else _proxy_for(bucket.client.meta.endpoint_url),
    ) as session:
        yield S3Presigned(bucket, session)
