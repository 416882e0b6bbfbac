"""Destinations, their settings and their credentials."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import TypeAlias


class DestinationKind(Enum):
    """What is at a destination."""

    S3 = "s3"
    GITLAB = "gitlab"
    CROSSDOCK = "crossdock"


PEERS = (DestinationKind.GITLAB, DestinationKind.CROSSDOCK)
"""The kinds that are servers with GitLab's API: projects go there, and may come from there as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketSettings:
    """A bucket of S3, or of a server with S3's protocol at ``endpoint``; without one, it is one of AWS.

    Keys begin with ``prefix``, which ends with a slash where it is not empty. With ``path_style`` the name of
    the bucket is in the path of each address, and not in its host. Archives are encrypted for the
    ``recipients``, keys of age or SSH, if there are any.
    """

    bucket: str
    region: str = "us-east-1"
    endpoint: str | None = None
    prefix: str = ""
    path_style: bool = False
    recipients: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketCredentials:
    """The keys of an account of S3."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerSettings:
    """A GitLab, or another Crossdock, whose web site is at ``url``.

    Projects go below the group with the full path ``namespace``; without one, into the namespace of the
    token's user. With ``overwrite`` they take the place of projects that are there.
    """

    url: str
    namespace: str | None = None
    overwrite: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerCredentials:
    """The token of a user there."""

    token: str = field(repr=False)


DestinationSettings: TypeAlias = BucketSettings | PeerSettings
DestinationCredentials: TypeAlias = BucketCredentials | PeerCredentials


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A destination of the user ``user_id``. Its credentials are sealed, and shown to nobody."""

    id: int
    user_id: int
    name: str
    kind: DestinationKind
    settings: DestinationSettings
    sealed_credentials: bytes = field(repr=False)
    created_at: datetime
    updated_at: datetime
