"""Buckets of users, whose servers have certificates that only this installation trusts."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from aiohttp.resolver import ThreadedResolver

from shared.storage.errors import OperationFailed
from shared.storage.s3 import S3Config, s3_store
from shared.storage.s3_bucket import Outside
from tests.support.buckets import made_bucket
from tests.support.certificates import certificate
from tests.support.ports import free_ports
from tests.support.seaweedfs import S3Server
from tests.support.tls_front import tls_front


def config(server: S3Server, port: int, tls: ssl.SSLContext | None) -> S3Config:
    return S3Config(
        endpoint_url=f"https://localhost:{port}",
        bucket=server.bucket,
        access_key=server.access_key,
        secret_key=server.secret_key,
        attempts=1,
        outside=Outside(resolver=ThreadedResolver(), tls=tls),
    )


async def test_a_bucket_is_used_whose_certificate_is_trusted_here_alone(
    s3_server: S3Server, queue_prefix: str, tmp_path: Path
) -> None:
    await made_bucket(s3_server)
    keys, (port,) = certificate(tmp_path, "localhost"), free_ports(1)
    key = f"{queue_prefix}object"
    async with tls_front(keys, port=port, before=int(s3_server.endpoint.rpartition(":")[2])):
        trusting = ssl.create_default_context(cafile=str(keys[1]))
        async with s3_store(config(s3_server, port, trusting)) as store:
            async with store.create(key) as writer:
                await writer.write(b"content")
                await writer.commit()
            assert (await store.stat(key)).size == 7
            await store.delete([key])
        async with s3_store(config(s3_server, port, None)) as store:
            with pytest.raises(OperationFailed):
                await store.stat(key)
