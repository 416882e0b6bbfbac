"""Credentials of destinations: sealed in their row, and opened by who sends there alone."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from shared.database.pool import Database
from shared.destinations.models import (
    PEERS,
    BucketCredentials,
    Destination,
    DestinationCredentials,
    PeerCredentials,
)
from shared.sealing.sealer import SealContext, Sealer
from shared.sealing.tables import AT_ONCE, StoredSecret

PURPOSE = "destination.credentials"


class CredentialSealer:
    """Seals the credentials of a user's destinations, and opens them."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def seal(self, credentials: DestinationCredentials, *, user_id: int) -> bytes:
        """Seal credentials of the user."""
        return self._sealer.seal(msgspec.json.encode(credentials), _context(user_id))

    def open(self, destination: Destination) -> BucketCredentials:
        """Open the keys of a bucket. Raises SecretUnreadable."""
        return msgspec.json.decode(self._open(destination), type=BucketCredentials)

    def open_token(self, destination: Destination) -> PeerCredentials:
        """Open the token for a peer. Raises SecretUnreadable."""
        assert destination.kind in PEERS  # noqa: S101  # who calls has looked
        return msgspec.json.decode(self._open(destination), type=PeerCredentials)

    def _open(self, destination: Destination) -> bytes:
        return self._sealer.open(destination.sealed_credentials, _context(destination.user_id))


def _context(user_id: int) -> SealContext:
    return SealContext(PURPOSE, None, user_id=user_id)


class DestinationSecrets:
    """The credentials of destinations, as a SecretTable."""

    async def read(self, db: Database, *, behind: int, only_clear: bool) -> Sequence[StoredSecret]:
        """See SecretTable; no version has written them in clear."""
        if only_clear:
            return []
        rows = await db.fetch(
            """SELECT id, user_id, sealed_credentials FROM destinations WHERE id > $1 ORDER BY id LIMIT $2""",
            behind, AT_ONCE,
        )  # fmt: skip
        return [
            StoredSecret(
                id=row["id"],
                place="credentials",
                context=_context(row["user_id"]),
                clear=None,
                sealed=row["sealed_credentials"],
            )
            for row in rows
        ]

    async def replace(self, db: Database, secret: StoredSecret, sealed: bytes) -> None:
        """See SecretTable."""
        await db.execute(
            "UPDATE destinations SET sealed_credentials = $2 WHERE id = $1 AND sealed_credentials = $3",
            secret.id, sealed, secret.sealed,
        )  # fmt: skip
