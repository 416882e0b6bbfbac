"""Destinations, their settings and their credentials."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum


class DestinationKind(Enum):
    """What is at a destination."""

    S3 = "s3"


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketSettings:
    """A bucket of S3, or of a server with S3's protocol at ``endpoint``; without one, it is one of AWS.

    Keys begin with ``prefix``, which ends with a slash where it is not empty. With ``path_style`` the name of
    the bucket is in the path of each address, and not in its host.
    """

    bucket: str
    region: str = "us-east-1"
    endpoint: str | None = None
    prefix: str = ""
    path_style: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketCredentials:
    """The keys of an account of S3."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A destination of the user ``user_id``. Its credentials are sealed, and shown to nobody."""

    id: int
    user_id: int
    name: str
    kind: DestinationKind
    settings: BucketSettings
    sealed_credentials: bytes = field(repr=False)
    created_at: datetime
    updated_at: datetime
