"""Destinations of a user, for that user and for administrators."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from secrets import token_hex
from typing import Any

from shared.accounts.models import User
from shared.catalogue.archives import put
from shared.database.pool import Pool
from shared.database.transactions import current, transaction
from shared.destinations import store
from shared.destinations.buckets import Buckets
from shared.destinations.models import BucketCredentials, BucketSettings, Destination, DestinationKind
from shared.destinations.sealed_credentials import CredentialSealer
from shared.errors import StorageError
from shared.remote.errors import BlockedUrl
from shared.sealing.sealer import Sealer
from shared.storage.base import ObjectStore
from shared.usecases.access import require_user
from shared.usecases.errors import DestinationFailed, FieldsInvalid, NotFound

TEST_WITHIN = timedelta(seconds=30)
"""How long the test of a destination may take."""

_PROBE = b"Crossdock wrote this to see whether it may."


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationFields:
    """The fields of a destination to set. None, or a setting that is not given, leaves it as it is."""

    name: str | None
    settings: Mapping[str, Any]
    credentials: BucketCredentials | None = field(repr=False)


class Destinations:
    """Manages destinations, of which a user has at most ``limit``, and sees no others."""

    def __init__(self, pool: Pool, buckets: Buckets, *, sealer: Sealer, limit: int) -> None:
        self._pool = pool
        self._buckets = buckets
        self._sealer = CredentialSealer(sealer)
        self.limit = limit

    async def list(self, actor: User | None, *, behind: int | None, limit: int) -> Sequence[Destination]:
        """List the actor's destinations, those of all users for administrators, the oldest first."""
        user = require_user(actor)
        return await store.list_of(self._pool, None if user.is_admin else user.id, behind=behind, limit=limit)

    async def show(self, actor: User | None, destination_id: int) -> Destination:
        """Return a destination. Raises NotFound where it is not the actor's, who is no administrator."""
        user = require_user(actor)
        found = await store.find(current(self._pool), destination_id)
        if found is None or not (user.is_admin or found.user_id == user.id):
            raise NotFound("Destination")
        return found

    async def create(self, actor: User | None, fields: DestinationFields) -> Destination:
        """Create a destination of the actor, whose fields are complete.

        Raises FieldsInvalid for its endpoint, DestinationNameTaken and TooManyDestinations.
        """
        user = require_user(actor)
        settings = BucketSettings(**fields.settings)
        await self._check(settings)
        assert fields.name is not None and fields.credentials is not None  # noqa: S101, PT018  # as said
        async with transaction(self._pool) as db:
            return await store.create(
                db,
                user_id=user.id,
                name=fields.name,
                kind=DestinationKind.S3,
                settings=settings,
                sealed_credentials=self._sealer.seal(fields.credentials, user_id=user.id),
                limit=self.limit,
            )

    async def change(self, destination: Destination, fields: DestinationFields) -> Destination:
        """Change a destination. Another endpoint needs the credentials again: the old one's stay its own.

        Raises FieldsInvalid, DestinationNameTaken and NotFound.
        """
        settings = replace(destination.settings, **fields.settings)
        if settings.endpoint != destination.settings.endpoint:
            if fields.credentials is None:
                raise FieldsInvalid({"endpoint": ["is another one: give the credentials as well"]})
            await self._check(settings)
        sealed = destination.sealed_credentials
        if fields.credentials is not None:
            sealed = self._sealer.seal(fields.credentials, user_id=destination.user_id)
        async with transaction(self._pool) as db:
            changed = await store.change(
                db,
                destination.id,
                name=fields.name or destination.name,
                settings=settings,
                sealed_credentials=sealed,
            )
        if changed is None:
            raise NotFound("Destination")
        return changed

    async def delete(self, destination: Destination) -> None:
        """Delete a destination. What was sent there stays there."""
        async with transaction(self._pool) as db:
            await store.delete(db, destination.id)

    async def test(self, destination: Destination) -> None:
        """Write, read and delete a small object. Raises DestinationFailed, with what the server said."""
        credentials = self._sealer.open(destination)
        try:
            async with (
                asyncio.timeout(TEST_WITHIN.total_seconds()),
                self._buckets.open(destination.settings, credentials) as bucket,
            ):
                await _probe(bucket)
        except BlockedUrl as error:
            raise DestinationFailed(f"its endpoint is blocked: {error.reason}") from None
        except StorageError as error:
            raise DestinationFailed(str(error)) from None
        except TimeoutError:
            seconds = int(TEST_WITHIN.total_seconds())
            raise DestinationFailed(f"it has not answered within {seconds} seconds") from None

    async def _check(self, settings: BucketSettings) -> None:
        try:
            await self._buckets.check(settings)
        except BlockedUrl as error:
            raise FieldsInvalid({"endpoint": [f"is blocked: {error.reason}"]}, cause=error) from None


async def _probe(bucket: ObjectStore) -> None:
    key = f"crossdock-probe-{token_hex(8)}"
    await put(bucket, key, _PROBE)
    try:
        async with aclosing(bucket.read(key)) as pieces:
            async for _ in pieces:
                pass
    finally:
        await bucket.delete([key])
