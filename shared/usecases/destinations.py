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
from shared.destinations.models import (
    PEERS,
    BucketSettings,
    Destination,
    DestinationCredentials,
    DestinationKind,
    DestinationSettings,
    PeerSettings,
)
from shared.destinations.peers import PeerIdentity, PeerServers
from shared.destinations.sealed_credentials import CredentialSealer
from shared.errors import StorageError
from shared.remote.errors import BlockedUrl, RemoteError
from shared.schedules.store import delete_destination
from shared.sealing.sealer import Sealer
from shared.storage.base import ObjectStore
from shared.usecases.access import require_user
from shared.usecases.errors import DestinationFailed, FieldsInvalid, NotFound

TEST_WITHIN = timedelta(seconds=30)
"""How long the test of a destination may take."""

_ENOUGH = frozenset({"api", "granular"})
"""Scopes of which one may suffice to export and import: what granular ones permit, no peer tells."""

_PROBE = b"Crossdock wrote this to see whether it may."


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationFields:
    """The fields of a destination to set. None, or a setting that is not given, leaves it as it is."""

    kind: DestinationKind
    name: str | None
    settings: Mapping[str, Any]
    credentials: DestinationCredentials | None = field(repr=False)


class Destinations:
    """Manages destinations, of which a user has at most ``limit``, and sees no others."""

    def __init__(
        self, pool: Pool, buckets: Buckets, peers: PeerServers, *, sealer: Sealer, limit: int
    ) -> None:
        self._pool = pool
        self._buckets = buckets
        self._peers = peers
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

        Raises FieldsInvalid for its address, DestinationNameTaken and TooManyDestinations.
        """
        user = require_user(actor)
        made = PeerSettings if fields.kind in PEERS else BucketSettings
        settings: DestinationSettings = made(**fields.settings)
        await self._check(settings)
        assert fields.name is not None and fields.credentials is not None  # noqa: S101, PT018  # as said
        async with transaction(self._pool) as db:
            return await store.create(
                db,
                user_id=user.id,
                name=fields.name,
                kind=fields.kind,
                settings=settings,
                sealed_credentials=self._sealer.seal(fields.credentials, user_id=user.id),
                limit=self.limit,
            )

    async def change(self, destination: Destination, fields: DestinationFields) -> Destination:
        """Change a destination. Another address needs the credentials again: the old one's stay its own.

        Raises FieldsInvalid, DestinationNameTaken and NotFound.
        """
        settings = replace(destination.settings, **fields.settings)
        if _address(settings) != _address(destination.settings):
            if fields.credentials is None:
                raise FieldsInvalid(
                    {_address_field(settings): ["is another one: give the credentials as well"]}
                )
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
        """Delete a destination. What was sent there stays there. Raises DestinationInUse."""
        async with transaction(self._pool) as db:
            await delete_destination(db, destination.id)

    async def test(self, destination: Destination) -> PeerIdentity | None:
        """Write, read and delete a small object; ask a peer who the token is, and whether it may do enough.

        Raises DestinationFailed, with what the server said.
        """
        settings = destination.settings
        try:
            async with asyncio.timeout(TEST_WITHIN.total_seconds()):
                if isinstance(settings, PeerSettings):
                    return await self._identify(destination, settings)
                async with self._buckets.open(settings, self._sealer.open(destination)) as bucket:
                    await _probe(bucket)
                return None
        except BlockedUrl as error:
            raise DestinationFailed(f"its {_address_field(settings)} is blocked: {error.reason}") from None
        except (StorageError, RemoteError) as error:
            raise DestinationFailed(str(error)) from None
        except TimeoutError:
            seconds = int(TEST_WITHIN.total_seconds())
            raise DestinationFailed(f"it has not answered within {seconds} seconds") from None

    async def _identify(self, destination: Destination, settings: PeerSettings) -> PeerIdentity:
        found = await self._peers.identify(settings, self._sealer.open_token(destination))
        is_crossdock = destination.kind is DestinationKind.CROSSDOCK
        if found.version.is_crossdock is not is_crossdock:
            raise DestinationFailed(f"it is a {'GitLab' if is_crossdock else 'Crossdock'}")
        scopes = found.token.scopes if found.token else ()
        if scopes and not _ENOUGH.intersection(scopes):
            raise DestinationFailed(f"the token needs the scope api, and has {', '.join(scopes)}")
        return found

    async def _check(self, settings: DestinationSettings) -> None:
        try:
            if isinstance(settings, PeerSettings):
                await self._peers.check(settings)
            else:
                await self._buckets.check(settings)
        except BlockedUrl as error:
            reasons = {_address_field(settings): [f"is blocked: {error.reason}"]}
            raise FieldsInvalid(reasons, cause=error) from None


def _address(settings: DestinationSettings) -> str | None:
    return settings.url if isinstance(settings, PeerSettings) else settings.endpoint


def _address_field(settings: DestinationSettings) -> str:
    return "url" if isinstance(settings, PeerSettings) else "endpoint"


async def _probe(bucket: ObjectStore) -> None:
    key = f"crossdock-probe-{token_hex(8)}"
    await put(bucket, key, _PROBE)
    try:
        async with aclosing(bucket.read(key)) as pieces:
            async for _ in pieces:
                pass
    finally:
        await bucket.delete([key])
