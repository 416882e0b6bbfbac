"""Opens the buckets of destinations, at addresses that the settings permit."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeAlias

from shared.destinations.models import BucketCredentials, BucketSettings
from shared.outbound.policy import outbound_policy
from shared.remote.addresses import Policy
from shared.remote.checked_names import CheckedNames
from shared.remote.gate import Gate
from shared.remote.resolver import Resolver, SystemResolver
from shared.settings.application import ApplicationSettings
from shared.storage.base import ObjectStore
from shared.storage.s3_bucket import Outside, S3Config

OpenStore: TypeAlias = Callable[[S3Config], AbstractAsyncContextManager[ObjectStore]]
"""Opens a bucket: the adapter, which only wiring knows."""

_ATTEMPTS = 3
_IN_FLIGHT = 2
_CONNECTIONS = 8
"""Of one destination that is open: attempts at a call, parts on their way, and connections of each client."""

_LARGER_PARTS = 64 * 1024 * 1024
_CALL = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideRules:
    """How servers of users are reached: what the environment says of it."""

    schemes: tuple[str, ...] = ("http", "https")
    resolver: Resolver = field(default_factory=SystemResolver)
    tls: ssl.SSLContext | None = None


class Buckets:
    """Opens buckets. Memory of each that is open: 3 parts, of 5 MiB until an object has 6 GiB."""

    def __init__(
        self,
        open_store: OpenStore,
        settings: Callable[[], Awaitable[ApplicationSettings]],
        rules: OutsideRules,
    ) -> None:
        self._open_store = open_store
        self._settings = settings
        self._rules = rules

    async def check(self, settings: BucketSettings) -> None:
        """Raise BlockedUrl where requests to the endpoint are not permitted now."""
        if settings.endpoint is not None:
            await self._gate(await self._policy()).check(settings.endpoint)

    @asynccontextmanager
    async def open(
        self, settings: BucketSettings, credentials: BucketCredentials
    ) -> AsyncIterator[ObjectStore]:
        """Open a bucket for a block. Raises BlockedUrl; the store raises StorageError."""
        policy = await self._policy()
        gate = self._gate(policy)
        if settings.endpoint is not None:
            await gate.check(settings.endpoint)
        scheme = (settings.endpoint or "https").partition(":")[0].lower()
        outside = Outside(resolver=CheckedNames(gate, scheme=scheme), tls=self._rules.tls)
        async with self._open_store(_config(settings, credentials, outside)) as store:
            yield store

    async def _policy(self) -> Policy:
        return outbound_policy(await self._settings(), schemes=self._rules.schemes)

    def _gate(self, policy: Policy) -> Gate:
        return Gate(policy, self._rules.resolver)


def _config(settings: BucketSettings, credentials: BucketCredentials, outside: Outside) -> S3Config:
    return S3Config(
        bucket=settings.bucket,
        prefix=settings.prefix,
        endpoint_url=settings.endpoint,
        region=settings.region,
        access_key=credentials.access_key_id,
        secret_key=credentials.secret_access_key,
        addressing_style="path" if settings.path_style else "virtual",
        outside=outside,
        uploads_in_flight=_IN_FLIGHT,
        larger_parts=_LARGER_PARTS,
        connections=_CONNECTIONS,
        attempts=_ATTEMPTS,
        call_timeout=_CALL,
    )
