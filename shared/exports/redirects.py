"""Redirects downloads of archives to the object storage, by addresses that hold for a short time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial

from shared.database.pool import Pool
from shared.exports.archives import FinishedArchive
from shared.exports.downloads import Presign
from shared.ledger import objects
from shared.storage.base import ObjectStore

VALID = timedelta(minutes=5)
"""How long an address can be asked: as long as clocks may differ. What has begun by then goes on."""


class ArchiveRedirects:
    """Makes addresses of archives that are objects."""

    def __init__(self, pool: Pool, store: ObjectStore) -> None:
        self._pool = pool
        self._store = store

    def presign_of(self, archive: FinishedArchive) -> Presign | None:
        """Give what makes addresses of an archive; None where it is no object."""
        if archive.tail is not None or archive.object_id is None:
            return None
        return partial(self._presign, archive.key, archive.object_id)

    async def _presign(self, key: str, object_id: int, method: str, headers: Mapping[str, str]) -> str | None:
        address = await self._store.presign(key, method=method, valid=VALID, headers=headers)
        if address is not None:
            # Nobody tells when the client has read it all. The collector marks the object no sooner than a
            # grace time after this, and deletes it another one later, whatever becomes of the export.
            await objects.touch(self._pool, object_id)
        return address
