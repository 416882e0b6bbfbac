"""The sources of an import's archive or repository, and their check before anything is created."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, assert_never

from shared.accounts.models import User
from shared.database.pool import Connection
from shared.errors import Denied, ObjectMissing
from shared.ledger import objects
from shared.remote.presigned import S3Object
from shared.settings.application import GIT, GITHUB, GITLAB_PROJECT, ApplicationSettings
from shared.settings.environment import MIB
from shared.storage.base import ObjectStore
from shared.storage.errors import KeyInvalid
from shared.usecases.errors import ArchiveTaken, ImportTooLarge, StoredArchiveRefused
from shared.usecases.github_repositories import GitHubRepositories, GitHubSource
from shared.usecases.imports import Archive, ArchiveClaim, require_archive_name
from shared.usecases.remote_archives import RemoteArchives
from shared.usecases.remote_repositories import RemoteRepositories, name_field
from shared.usecases.resumable_uploads import ResumableUploads

INCOMING = "incoming"
"""The first part of the keys under which other systems store archives; their broker user is the second."""


@dataclass(frozen=True, slots=True)
class RemoteUrl:
    """An archive at a URL."""

    url: str


@dataclass(frozen=True, slots=True)
class GitUrl:
    """A repository at a URL, which git's smart HTTP gives."""

    url: str


@dataclass(frozen=True, slots=True)
class StoredKey:
    """An archive in our object storage, where ``sender``, a user of the broker, has put it."""

    key: str
    sender: str


@dataclass(frozen=True, slots=True)
class UploadedPieces:
    """An upload that has come by several requests, of the user ``actor``."""

    upload_id: int
    actor: User | None


ArchiveSource: TypeAlias = UploadedPieces | RemoteUrl | S3Object | StoredKey | GitUrl | GitHubSource


class ArchiveFinder:
    """Checks whether archives exist and may be imported. It changes nothing."""

    def __init__(
        self,
        store: ObjectStore,
        remote: RemoteArchives,
        *,
        repositories: RemoteRepositories,
        github: GitHubRepositories,
        uploads: ResumableUploads,
    ) -> None:
        self._store = store
        self._uploads = uploads
        self._remote = remote
        self._repositories = repositories
        self._github = github

    async def find(self, source: ArchiveSource, settings: ApplicationSettings) -> ArchiveClaim:
        """Check the archive, and return a function that claims it within the transaction of its import.

        Raises RemoteArchiveRefused, NoArchive, Denied, StoredArchiveRefused and ImportTooLarge, and for a
        repository FieldsInvalid and RemoteRepositoryRefused, or what ``GitHubRepositories`` raises; for an
        upload NotFound, UploadBusy and UploadUnfinished. The function raises ArchiveTaken and UploadBusy.
        """
        match source:
            case RemoteUrl(url):
                return _claim_remote(Archive(source=await self._remote.find(url, settings)))
            case S3Object():
                return _claim_remote(Archive(source=await self._remote.find_s3(source, settings)))
            case GitUrl(url):
                with name_field():
                    repository = await self._repositories.find(url, settings)
                return _claim_remote(Archive(source=repository))
            case GitHubSource():
                api = await self._github.find_api(source.address, settings)
                found = await self._github.find(source, api, settings)
                return _claim_remote(Archive(source=found.source, github=found.order))
            case UploadedPieces():
                return await self._find_upload(source)
            case StoredKey():
                return await self._find_stored(source, limit=settings.max_import_size * MIB)
            case _:
                assert_never(source)

    async def _find_upload(self, source: UploadedPieces) -> ArchiveClaim:
        upload = await self._uploads.find_whole(source.actor, source.upload_id)

        async def claim(db: Connection) -> Archive:
            await self._uploads.use(db, upload)
            return Archive(upload_id=upload.id)

        return claim

    async def _find_stored(self, source: StoredKey, *, limit: int) -> ArchiveClaim:
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

        async def claim(db: Connection) -> Archive:
            object_id = await objects.register_existing(db, key, size=size)
            if object_id is None:
                raise ArchiveTaken(f"'{key}' was imported before, and is being removed")
            return Archive(object_id=object_id)

        return claim


def import_source(source: ArchiveSource) -> str:
    """Give the name by which administrators switch imports of this source off."""
    match source:
        case GitUrl():
            return GIT
        case GitHubSource():
            return GITHUB
        case _:
            return GITLAB_PROJECT


def _claim_remote(archive: Archive) -> ArchiveClaim:
    async def claim(_db: Connection) -> Archive:
        return archive

    return claim
