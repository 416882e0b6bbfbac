"""Seals anew what is in the tables: what versions before left in clear, and what an older key has sealed."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from shared.database.pool import Database, Pool
from shared.sealing.canary import renew_canary
from shared.sealing.errors import SecretUnreadable
from shared.sealing.sealer import SealContext, Sealer, key_id_of

AT_ONCE = 500
"""The most rows that are read at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSecret:
    """A secret in the column or member ``place`` of a row, sealed or, as versions before wrote it, clear."""

    id: int
    place: str
    context: SealContext
    clear: bytes | None = field(repr=False)
    sealed: bytes | None = field(repr=False)


class SecretTable(Protocol):
    """A table that has secrets."""

    async def read(self, db: Database, *, behind: int, only_clear: bool) -> Sequence[StoredSecret]:
        """Read the secrets of at most ``AT_ONCE`` rows with an id over ``behind``, by id; none at the end."""

    async def replace(self, db: Database, secret: StoredSecret, sealed: bytes) -> None:
        """Write ``sealed`` in its place, unless it was changed or removed in the meantime."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """What a rotation did. Keys are named by their id, in hexadecimal.

    ``unreadable`` counts secrets that none of the keys opens, by the key that they need.
    """

    renewed: int
    unreadable: Counter[str]
    unused_keys: Sequence[str]


class Resealer:
    """Seals the secrets of tables with the first key. May be repeated, and interrupted at any row."""

    def __init__(self, pool: Pool, sealer: Sealer, tables: Sequence[SecretTable]) -> None:
        self._pool = pool
        self._sealer = sealer
        self._tables = tables

    async def seal_clear(self) -> int:
        """Seal what versions before have written in clear; give how much."""
        count = 0
        async for table, secret in self._secrets(only_clear=True):
            if secret.clear is not None:
                await table.replace(self._pool, secret, self._sealer.seal(secret.clear, secret.context))
                count += 1
        return count

    async def rotate(self) -> Rotation:
        """Seal everything with the first key, so that the others can be removed."""
        await self.seal_clear()
        await renew_canary(self._pool, self._sealer)
        renewed, unreadable = 0, Counter[str]()
        async for table, secret in self._secrets(only_clear=False):
            try:
                renewed += await self._renew(table, secret)
            except SecretUnreadable as error:
                unreadable[error.key_id] += 1
        return Rotation(renewed=renewed, unreadable=unreadable, unused_keys=await self._unused_keys())

    async def _renew(self, table: SecretTable, secret: StoredSecret) -> bool:
        """Tell whether the secret was sealed by another key than the first. Raises SecretUnreadable."""
        if secret.sealed is None:
            return False
        sealed = self._sealer.renew(secret.sealed, secret.context)
        if sealed == secret.sealed:
            return False
        await table.replace(self._pool, secret, sealed)
        return True

    async def _unused_keys(self) -> list[str]:
        """List the keys but for the first that seal nothing any more."""
        used = {
            key_id_of(secret.sealed) async for _, secret in self._secrets(only_clear=False) if secret.sealed
        }
        return [key_id for key_id in self._sealer.key_ids[1:] if key_id not in used]

    async def _secrets(self, *, only_clear: bool) -> AsyncIterator[tuple[SecretTable, StoredSecret]]:
        for table in self._tables:
            behind = 0
            while secrets := await table.read(self._pool, behind=behind, only_clear=only_clear):
                for secret in secrets:
                    yield table, secret
                behind = secrets[-1].id
