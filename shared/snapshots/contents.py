"""The files of a snapshot's body as a manifest has them, and the digest of these lines."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing

from shared.database.pool import Database, Row
from shared.gitlab.layout import PROJECT, VERSION
from shared.manifest.format import ManifestFile, encode_files

OF_HEAD = (VERSION, PROJECT)
"""Entries that an export makes itself, before the body."""

_PAGE = 1000


async def read_manifest_lines(db: Database, snapshot_id: int | None) -> AsyncGenerator[bytes, None]:
    """Give the lines of all files but those of the head, up to 1000 at a time; none for None.

    Keep the snapshot while it is read: of one that is collected it ends early.
    """
    after, more = "", snapshot_id is not None
    while more:
        rows = await db.fetch(
            """SELECT name, CASE WHEN kind = 'relation' THEN lines END AS lines, raw_size, sha256 FROM entries
               WHERE snapshot_id = $1 AND name > $2 AND kind <> 'directory' AND name <> ALL ($3)
               ORDER BY name LIMIT $4""",
            snapshot_id, after, OF_HEAD, _PAGE,
        )  # fmt: skip
        if rows:
            yield encode_files([_file(row) for row in rows])
            after = rows[-1]["name"]
        more = len(rows) == _PAGE


def _file(row: Row) -> ManifestFile:
    return ManifestFile(
        name=row["name"], size=row["raw_size"], sha256=row["sha256"].hex(), lines=row["lines"]
    )


async def make_content_digest(db: Database, snapshot_id: int | None) -> bytes:
    """Make the SHA-256 of these lines. It takes some seconds for a million files, in flat memory."""
    digest = hashlib.sha256()
    async with aclosing(read_manifest_lines(db, snapshot_id)) as lines:
        async for some in lines:
            digest.update(some)
    return digest.digest()


async def find_content_digest(db: Database, snapshot_id: int | None) -> bytes | None:
    """Find the digest of a snapshot's files; None where nobody has made it yet."""
    if snapshot_id is None:
        return await make_content_digest(db, None)
    found: bytes | None = await db.fetchval("SELECT content_sha256 FROM snapshots WHERE id = $1", snapshot_id)
    return found


async def find_or_make_content_digest(db: Database, snapshot_id: int | None) -> bytes:
    """Find the digest of a snapshot's files, or make and record it. Keep the snapshot meanwhile."""
    found = await find_content_digest(db, snapshot_id)
    if found is None:
        found = await make_content_digest(db, snapshot_id)
        await db.execute("UPDATE snapshots SET content_sha256 = $2 WHERE id = $1", snapshot_id, found)
    return found
