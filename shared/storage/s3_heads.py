"""Asks S3 for sizes by presigned HEADs, which cost a fourth of a call of the client in processor time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

import aiohttp
from botocore.exceptions import BotoCoreError
from yarl import URL

from shared.storage.s3_bucket import S3Bucket
from shared.storage.s3_correlation import with_correlation_id

_VALID = 300
"""Seconds for which a signature holds: as long as clocks may differ, and a request may wait for its turn."""


class S3Heads:
    """Asks for sizes, ``heads_in_flight`` at one time; made by ``s3_heads``."""

    def __init__(self, bucket: S3Bucket, session: aiohttp.ClientSession) -> None:
        self._bucket = bucket
        self._session = session

    async def size(self, key: str) -> int | None:
        """Give the size of an object in bytes; None where S3 does not tell it at once, for whatever reason.

        The caller asks by a call of the client then, which tries again, and knows what an error means.
        """
        place = {"Bucket": self._bucket.config.bucket, "Key": self._bucket.config.prefix + key}
        try:
            url = await self._bucket.client.generate_presigned_url(
                "head_object", Params=place, ExpiresIn=_VALID
            )
            async with self._session.head(
                URL(url, encoded=True), headers={"User-Agent": with_correlation_id("crossdock")}
            ) as answer:
                return answer.content_length if answer.status == HTTPStatus.OK else None
        except (BotoCoreError, aiohttp.ClientError, OSError):
            return None


@asynccontextmanager
async def s3_heads(bucket: S3Bucket) -> AsyncIterator[S3Heads]:
    """Open connections for HEADs, beside those of the client."""
    config = bucket.config
    timeout = aiohttp.ClientTimeout(
        total=config.read_timeout.total_seconds(), sock_connect=config.connect_timeout.total_seconds()
    )
    connector = aiohttp.TCPConnector(limit=config.heads_in_flight)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=True) as session:
        yield S3Heads(bucket, session)
