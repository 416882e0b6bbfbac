"""Archives that the server fetches: at an address, or in a bucket of S3."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from yarl import URL

from services.cli.errors import UsageError


@dataclass(frozen=True, slots=True)
class RemoteSource:
    """The address of GitLab's API for it, and the parameters there, in which secrets may be."""

    path: str
    body: Mapping[str, object] = field(repr=False)


def remote_source(archive: str) -> RemoteSource | None:
    """Read where an archive is; None for a file. Raises UsageError."""
    if archive.startswith(("https://", "http://")):
        return RemoteSource("/projects/remote-import", {"url": archive})
    return _of_bucket(archive) if archive.startswith("s3://") else None


def _of_bucket(archive: str) -> RemoteSource:
    url = URL(archive)
    key = url.path.strip("/")
    if not url.host or not key or url.query_string or url.user:
        raise UsageError(f"{archive!r} names no object: it has the form s3://BUCKET/KEY")
    given = {
        "access_key_id": os.environ.get("AWS_ACCESS_KEY_ID"),
        "secret_access_key": os.environ.get("AWS_SECRET_ACCESS_KEY"),
        "region": os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"),
    }
    missing = [name for name, value in given.items() if not value]
    if missing:
        raise UsageError("the server needs AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION")
    return RemoteSource("/projects/remote-import-s3", given | {"bucket_name": url.host, "file_key": key})
