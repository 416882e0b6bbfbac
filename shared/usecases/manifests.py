"""Gives the manifest of a finished export, and its signature, to those who may download the archive."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from shared.accounts.models import User
from shared.database.pool import Pool
from shared.exports import archives
from shared.exports.archives import FinishedArchive
from shared.manifest.format import ManifestFile
from shared.signing.signer import Signer
from shared.snapshots.contents import make_manifest_digest, read_manifest
from shared.usecases.errors import ArchiveNotFound, ManifestMissing, SigningOff
from shared.usecases.exports import Exports, keep_archive


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The digest of a manifest, and what reads it, some 1000 files at a time."""

    digest: bytes
    modified_at: datetime
    read: Callable[[], AsyncGenerator[bytes, None]]


class Manifests:
    """Opens the manifests of finished exports."""

    def __init__(self, pool: Pool, exports: Exports, *, signer: Signer | None) -> None:
        self._pool = pool
        self._exports = exports
        self._signer = signer

    @property
    def signer(self) -> Signer:
        """What signs manifests. Raises SigningOff."""
        if self._signer is None:
            raise SigningOff
        return self._signer

    async def find(self, actor: User | None, reference: str) -> FinishedArchive:
        """Return the user's finished archive.

        Raises what ``Exports.find_exportable`` raises, then ArchiveNotFound.
        """
        exportable = await self._exports.find_exportable(actor, reference)
        found = await archives.find(self._pool, project_id=exportable.project.id, user_id=exportable.user.id)
        if found is None:
            raise ArchiveNotFound
        return found

    @asynccontextmanager
    async def open(self, archive: FinishedArchive) -> AsyncIterator[Manifest]:
        """Yield the manifest of an archive, which can be read within the block.

        Where its digest is not known, this makes it: some seconds for a million files. Raises ManifestMissing
        and ArchiveNotFound.
        """
        if archive.documents is None:
            raise ManifestMissing
        async with AsyncExitStack() as stack:
            await keep_archive(stack, self._pool, archive)
            yield Manifest(
                digest=archive.manifest_sha256 or await self._make_digest(archive, archive.documents),
                modified_at=archive.created_at,
                read=partial(read_manifest, self._pool, archive.snapshot_id, archive.documents),
            )

    async def _make_digest(self, archive: FinishedArchive, documents: Sequence[ManifestFile]) -> bytes:
        digest = await make_manifest_digest(self._pool, archive.snapshot_id, documents)
        await archives.record_manifest(self._pool, archive.id, digest)
        return digest
