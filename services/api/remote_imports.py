"""What is asked for with an import from elsewhere, read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from services.api.http.errors import Refused
from services.api.http.parameters import Checker, text
from services.api.imports import ImportRequest, read_request
from services.api.remote_archives import RemoteArchives
from shared.jobs.models import RemoteSource
from shared.remote.presigned import S3Object

Find: TypeAlias = Callable[[RemoteArchives], Awaitable[RemoteSource]]
"""Checks the archive that was asked for, and says where to fetch it."""

_S3 = ("region", "bucket_name", "file_key", "access_key_id", "secret_access_key")


def read(given: Mapping[str, object]) -> tuple[ImportRequest, Find]:
    """Read a request with a ``url``, or that of a client that names a bucket instead. Raises 400."""
    if given.get("url") is None and given.get("bucket_name") is not None:
        return read_s3(given)
    checker = Checker(given)
    for name in ("url", "path"):
        checker.require(name, or_null=True)
    url = checker.text("url") or ""
    return read_request(checker), lambda archives: archives.find(url)


def read_s3(given: Mapping[str, object]) -> tuple[ImportRequest, Find]:
    """Read a request for an object of a bucket. Raises 400."""
    checker = Checker(given)
    for name in (*_S3, "path"):
        checker.require(name, or_null=True)
    region, bucket, key, access_key_id, secret = [(checker.text(name) or "").strip() for name in _S3]
    wanted = S3Object(
        region=region, bucket=bucket, key=key, access_key_id=access_key_id, secret_access_key=secret
    )
    blank = next((name for name in _S3 if not (text(given.get(name)) or "").strip()), None)
    return read_request(checker), lambda archives: _find_s3(archives, blank, wanted)


async def _find_s3(archives: RemoteArchives, blank: str | None, wanted: S3Object) -> RemoteSource:
    if blank is not None:
        raise Refused(400, f"{blank.removesuffix('_id').replace('_', ' ').capitalize()} can't be blank")
    return await archives.find_s3(wanted)
