"""Where the archive of an import may lie, and looking for it before anything is made for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, assert_never

from shared.database.pool import Connection
from shared.errors import Denied, ObjectMissing
from shared.ledger import objects
from shared.remote.presigned import S3Object
from shared.settings.application import ApplicationSettings
from shared.settings.environment import MIB
from shared.storage.base import ObjectStore
from shared.storage.errors import KeyInvalid
from shared.usecases.errors import ArchiveTaken, ImportTooLarge, StoredArchiveRefused
from shared.usecases.imports import Archive, FindArchive, require_archive_name
from shared.usecases.remote_archives import RemoteArchives

INCOMING = "incoming"
"""What the key of an object begins with that others put into our store; whose it is comes next in the key."""


@dataclass(frozen=True, slots=True)
class RemoteUrl:
    """An archive behind an address."""

    url: str


@dataclass(frozen=True, slots=True)
class StoredKey:
    """An archive that ``sender``, a user of the broker, has put into our own store."""

    key: str
    sender: str


ArchiveSource: TypeAlias = RemoteUrl | S3Object | StoredKey


class ArchiveFinder:
    """Looks for archives, and changes nothing."""

    def __init__(self, store: ObjectStore, remote: RemoteArchives) -> None:
        self._store = store
        self._remote = remote

    async def find(self, source: ArchiveSource, settings: ApplicationSettings) -> FindArchive:
        """Give what takes the archive over within the transaction of its import.

        Raises RemoteArchiveRefused, NoArchive, Denied, StoredArchiveRefused and ImportTooLarge; taking it
        over raises ArchiveTaken.
        """
        match source:
            case RemoteUrl(url):
                return _at(Archive(source=await self._remote.find(url, settings)))
            case S3Object():
                return _at(Archive(source=await self._remote.find_s3(source, settings)))
            case StoredKey():
                return await self._stored(source, limit=settings.max_import_size * MIB)
            case _:
                assert_never(source)

    async def _stored(self, source: StoredKey, *, limit: int) -> FindArchive:
        key, sender = source.key, source.sender
        require_archive_name(key)
        if not key.startswith(f"{INCOMING}/{sender}/"):
            raise Denied(f"{sender} may import what is below {INCOMING}/{sender}/ alone")
        try:
            size = (await self._store.stat(key)).size
        except (ObjectMissing, KeyInvalid):
            raise StoredArchiveRefused(f"File not found '{key}'") from None
        if limit and size > limit:
            raise ImportTooLarge(limit)

        async def take(db: Connection) -> Archive:
            object_id = await objects.register_existing(db, key, size=size)
            if object_id is None:
                raise ArchiveTaken(f"'{key}' was imported before, and is being removed")
            return Archive(object_id=object_id)

        return take


def _at(archive: Archive) -> FindArchive:
    async def take(_db: Connection) -> Archive:
        return archive

    return take
