"""Presigned URLs of S3 objects (AWS Signature Version 4, in the query), made without a request."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.loaders import create_loader
from botocore.session import get_session

from shared.errors import CrossdockError, Fault

LIFE = timedelta(hours=28)
"""How long the URLs are valid: as long as GitLab's."""

_LOADER = create_loader()
"""Keeps the description of S3, megabytes of JSON, for all that is signed."""


class NotSignable(CrossdockError):
    """The name of the region or the bucket is not valid in S3."""

    code = "s3_address"
    fault = Fault.CLIENT


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Object:
    """An object of a user's bucket, and the keys that permit to read it."""

    region: str
    bucket: str
    key: str
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PresignedUrls:
    """The URLs for HEAD and GET of the object. Each is a secret."""

    head: str = field(repr=False)
    get: str = field(repr=False)


async def presign(wanted: S3Object, *, endpoint_url: str | None) -> PresignedUrls:
    """Sign both URLs, for AWS where ``endpoint_url`` is None. Raises NotSignable."""
    try:
        # A client reads megabytes of JSON as it is made.
        return await asyncio.to_thread(_presign, wanted, endpoint_url)
    except (BotoCoreError, ValueError) as error:
        raise NotSignable(str(error)) from None


def _presign(wanted: S3Object, endpoint_url: str | None) -> PresignedUrls:
    session = get_session()  # of its own, as none may be shared by threads
    session.register_component("data_loader", _LOADER)
    client = session.create_client(
        "s3",
        region_name=wanted.region,
        endpoint_url=endpoint_url,
        aws_access_key_id=wanted.access_key_id,
        aws_secret_access_key=wanted.secret_access_key,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path" if endpoint_url else "auto"}),
    )
    place = {"Bucket": wanted.bucket, "Key": wanted.key}
    seconds = LIFE // timedelta(seconds=1)
    return PresignedUrls(
        head=client.generate_presigned_url("head_object", Params=place, ExpiresIn=seconds),
        get=client.generate_presigned_url("get_object", Params=place, ExpiresIn=seconds),
    )
