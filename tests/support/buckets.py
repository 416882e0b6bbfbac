"""The bucket that a distributed Crossdock expects to be there."""

from __future__ import annotations

from dataclasses import dataclass

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from shared.storage.s3 import S3Config, s3_store
from tests.support.seaweedfs import S3Server

_SESSION = get_session()


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


@dataclass(frozen=True, slots=True)
class Presigned:
    """Addresses by which anybody may write and read one object."""

    put: str
    post: str
    get: str


async def presigned(server: S3Server, key: str, *, version: str = "s3v4") -> Presigned:
    """Presign an archive's object in the server's bucket, by that version of signatures."""
    async with _SESSION.create_client(
        "s3",
        endpoint_url=server.endpoint,
        region_name=server.region,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        config=AioConfig(signature_version=version),
    ) as client:
        place = {"Bucket": server.bucket, "Key": key}
        labelled = {**place, "ContentType": "application/gzip"}  # the older version signs it in any case
        return Presigned(
            put=await client.generate_presigned_url("put_object", Params=labelled),
            post=await client.generate_presigned_url("put_object", Params=labelled, HttpMethod="POST"),
            get=await client.generate_presigned_url("get_object", Params=place),
        )
