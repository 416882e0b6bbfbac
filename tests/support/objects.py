"""Stores over real servers, and whole objects in one line."""

from __future__ import annotations

from array import array
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

from shared.storage.base import ObjectStore
from shared.storage.s3 import S3Config
from shared.storage.s3_part_sizes import PartSizes
from tests.support.seaweedfs import S3Server

PART = 5 * 1024 * 1024
"""The part size of the tests: the smallest that S3 takes."""


def s3_config(server: S3Server, **changes: Any) -> S3Config:  # fields of many types
    """Settings for ``server`` with a prefix that no other test has."""
    config = S3Config(
        bucket=server.bucket,
        prefix=f"{uuid4().hex}/",
        endpoint_url=server.endpoint,
        region=server.region,
        access_key=server.access_key,
        secret_key=server.secret_key,
        parts=PartSizes(first=PART),
    )
    return replace(config, **changes)


def pattern(size: int) -> bytes:
    """Bytes in which a shifted, missing or repeated part shows; the same each time."""
    numbers = array("Q", range(size // 8 + 1))
    numbers.byteswap()  # so that neighbours differ at their ends
    return numbers.tobytes()[:size]


async def put(store: ObjectStore, key: str, data: bytes = b"") -> int:
    """Write a whole object."""
    async with store.create(key) as writer:
        await writer.write(data)
        return await writer.commit()


async def get(store: ObjectStore, key: str, *, start: int = 0, length: int | None = None) -> bytes:
    """Read a whole object, or a range of it."""
    return b"".join([chunk async for chunk in store.read(key, start=start, length=length)])


async def keys(store: ObjectStore, prefix: str = "") -> list[str]:
    """List the keys."""
    return [found.key async for found in store.list(prefix)]


async def leftovers(store: ObjectStore) -> int:
    """How many uncommitted uploads there were; they are gone now."""
    return await store.abort_uploads(older_than=timedelta(0))
