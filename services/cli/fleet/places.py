"""Where archives are kept: a folder, or a bucket of S3."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from yarl import URL

from services.cli.errors import UsageError
from services.cli.local_folders import refuse_file, require_writable
from shared.storage.base import ObjectStore
from shared.storage.filesystem import FilesystemStore
from shared.storage.s3 import s3_store
from shared.storage.s3_bucket import S3Config

_SCHEME = "s3://"


@asynccontextmanager
async def open_place(address: str, *, for_writing: bool = False) -> AsyncIterator[ObjectStore]:
    """Open a folder, which is made ``for_writing`` and else has to be there, or ``s3://BUCKET/PREFIX``.

    Raises UsageError, and FileUnwritable for a folder that can be made or written by others only.

    The keys, the region and the endpoint of S3 come from where the tools of AWS have them: AWS_ACCESS_KEY_ID,
    AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL_S3 and the like. Memory of uploads: as of S3Config.
    """
    if not address.startswith(_SCHEME):
        folder = _folder(address)
        refuse_file(folder)
        if for_writing:
            require_writable(folder, makes=True)
        elif not folder.is_dir():
            raise UsageError(f"there is no folder {folder}, in which archives could be")
        yield FilesystemStore(folder)
        return
    async with s3_store(_s3(address)) as store:
        yield store


def _folder(address: str) -> Path:
    return Path(address).expanduser().absolute()


def _s3(address: str) -> S3Config:
    try:
        url = URL(address)
    except ValueError as error:
        raise UsageError(f"{address!r} is no address of a bucket: {error}") from None
    if not url.host or url.user or url.explicit_port or url.query_string or url.fragment:
        raise UsageError(f"{address!r} is no address of a bucket: it has the form s3://BUCKET/PREFIX")
    prefix = url.path.strip("/")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return S3Config(
        bucket=url.host, prefix=f"{prefix}/" if prefix else "", region=region, endpoint_url=endpoint
    )
