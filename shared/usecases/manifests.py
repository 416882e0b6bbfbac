"""Gives the manifest of a finished export, and its signature, to those who may download the archive."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from shared.accounts.models import User
from shared.database.pool import Pool
from shared.exports import archives
from shared.exports.archives import FinishedArchive
from shared.exports.manifests import find_manifest_head
from shared.manifest.format import manifest_digest
from shared.signing.signer import Signer
from shared.snapshots.contents import read_manifest_lines
from shared.usecases.errors import ArchiveNotFound, ManifestMissing, SigningOff
from shared.usecases.exports import Exports, keep_archive


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The first line of a manifest, and what reads the lines after it, up to 1000 at a time."""

    head: bytes
    modified_at: datetime
    read: Callable[[], AsyncGenerator[bytes, None]]

    @property
    def digest(self) -> bytes:
        """The digest of the manifest."""
        return manifest_digest(self.head)


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
        """Return the user's finished archive, if it has a manifest.

        Raises what ``Exports.find_exportable`` raises, then ArchiveNotFound and ManifestMissing.
        """
        exportable = await self._exports.find_exportable(actor, reference)
        found = await archives.find(self._pool, project_id=exportable.project.id, user_id=exportable.user.id)
        if found is None:
            raise ArchiveNotFound
        if found.documents is None:
            raise ManifestMissing
        return found

    @asynccontextmanager
    async def open(self, archive: FinishedArchive) -> AsyncIterator[Manifest]:
        """Yield the manifest of an archive, which can be read within the block.

        Where the digest of the content is not known, this makes it: some seconds for a million files. Raises
        ArchiveNotFound and ManifestMissing.
        """
        async with AsyncExitStack() as stack:
            await keep_archive(stack, self._pool, archive)
            head = await find_manifest_head(self._pool, archive)
            if head is None:
                raise ManifestMissing
            lines = partial(read_manifest_lines, self._pool, archive.snapshot_id)
            yield Manifest(head=head, modified_at=archive.created_at, read=lines)
