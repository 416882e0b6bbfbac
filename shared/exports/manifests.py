"""The manifests of finished archives."""

from __future__ import annotations

from shared.database.pool import Database
from shared.exports import archives
from shared.exports.archives import FinishedArchive
from shared.manifest.format import encode_head, manifest_digest
from shared.snapshots.contents import find_or_make_content_digest


async def find_manifest_head(db: Database, archive: FinishedArchive) -> bytes | None:
    """Give the first line of an archive's manifest; None for an archive that an older version made.

    ``read_manifest_lines`` gives the others. Where the digest of the content is not known, this makes it, in
    a pass over the index. Keep the snapshot meanwhile.
    """
    if archive.documents is None:
        return None
    head = encode_head(await find_or_make_content_digest(db, archive.snapshot_id), archive.documents)
    if archive.manifest_sha256 is None:
        await archives.record_manifest(db, archive.id, manifest_digest(head))
    return head
