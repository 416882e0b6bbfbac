"""The bucket that a distributed Crossdock expects to be there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from shared.remote.part_addresses import PartAddresses
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
    async with _client(server, version) as client:
        place = {"Bucket": server.bucket, "Key": key}
        labelled = {**place, "ContentType": "application/gzip"}  # the older version signs it in any case
        return Presigned(
            put=await client.generate_presigned_url("put_object", Params=labelled),
            post=await client.generate_presigned_url("put_object", Params=labelled, HttpMethod="POST"),
            get=await client.generate_presigned_url("get_object", Params=place),
        )


async def presigned_parts(  # an upload and its signatures
    server: S3Server, key: str, *, parts: int, part_size: int, version: str = "s3v4", more: bool = True
) -> PartAddresses:
    """Begin a multipart upload in the server's bucket, and presign what sends, completes and ends it.

    With ``more``, also what reads the object, and what aborts the upload.
    """
    async with _client(server, version) as client:
        place = {"Bucket": server.bucket, "Key": key}
        begun = await client.create_multipart_upload(**place)
        upload = {**place, "UploadId": begun["UploadId"]}
        return PartAddresses(
            part_size=part_size,
            part_urls=[
                await client.generate_presigned_url("upload_part", Params={**upload, "PartNumber": number})
                for number in range(1, parts + 1)
            ],
            complete_url=await client.generate_presigned_url("complete_multipart_upload", Params=upload),
            abort_url=await client.generate_presigned_url("abort_multipart_upload", Params=upload)
            if more
            else None,
            get_url=await client.generate_presigned_url("get_object", Params=place) if more else None,
        )


async def stored_object(server: S3Server, key: str) -> bytes | None:
    """Read an object of the server's bucket; None where it is not there."""
    async with _client(server) as client:
        try:
            answer = await client.get_object(Bucket=server.bucket, Key=key)
        except client.exceptions.NoSuchKey:
            return None
        return bytes(await answer["Body"].read())


async def open_uploads(server: S3Server, key: str) -> int:
    """Count the multipart uploads of a key that are neither completed nor aborted."""
    async with _client(server) as client:
        answer = await client.list_multipart_uploads(Bucket=server.bucket, Prefix=key)
        return len([each for each in answer.get("Uploads", ()) if each["Key"] == key])


def _client(server: S3Server, version: str = "s3v4") -> Any:  # botocore makes its class
    return _SESSION.create_client(
        "s3",
        endpoint_url=server.endpoint,
        region_name=server.region,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        config=AioConfig(signature_version=version),
    )
