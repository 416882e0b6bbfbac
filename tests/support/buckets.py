"""The bucket that a distributed Crossdock expects to be there."""

from __future__ import annotations

from shared.storage.s3 import S3Config, s3_store
from tests.support.seaweedfs import S3Server


async def made_bucket(server: S3Server) -> None:
    """Make the server's bucket, unless it is there."""
    config = S3Config(
        endpoint_url=server.endpoint,
        region=server.region,
        bucket=server.bucket,
        access_key=server.access_key,
        secret_key=server.secret_key,
    )
    async with s3_store(config) as store:
        await store.ensure_bucket()
