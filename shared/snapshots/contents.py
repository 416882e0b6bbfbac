"""The files of a snapshot as a manifest has them, and the digests of manifests."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from operator import attrgetter

from shared.database.pool import Database, Row
from shared.gitlab.layout import PROJECT, VERSION
from shared.manifest.format import BEGIN, BETWEEN, END, ManifestFile, encode_files

OF_HEAD = (VERSION, PROJECT)
"""Entries that an export makes itself, before the body."""

READ_AT_ONCE = 10_000
"""Files that one statement reads: a pass over so many takes some 30 ms."""

_PIECE = 1000
"""Files of a piece of a manifest."""

_NAME = attrgetter("name")


async def read_manifest(
    db: Database, snapshot_id: int | None, documents: Sequence[ManifestFile] = ()
) -> AsyncGenerator[bytes, None]:
    """Give the manifest of an archive of a snapshot's body and of ``documents``, which are its head's files.

    It has pieces of some 1000 files. Without documents it is that of the content alone, which each export of
    the snapshot has. Keep the snapshot while it is read: of one that is collected it ends early.
    """
    yield BEGIN
    before = b""
    async with aclosing(_read_files(db, snapshot_id, documents)) as pieces:
        async for files in pieces:
            yield before + encode_files(files)
            before = BETWEEN
            await asyncio.sleep(0)  # others have their turn between two
    yield END


async def make_manifest_digest(
    db: Database, snapshot_id: int | None, documents: Sequence[ManifestFile] = ()
) -> bytes:
    """Make the digest of what ``read_manifest`` gives: some seconds for a million files, in flat memory."""
    digest = hashlib.sha256()
    async with aclosing(read_manifest(db, snapshot_id, documents)) as pieces:
        async for piece in pieces:
            digest.update(piece)
    return digest.digest()


async def _read_files(
    db: Database, snapshot_id: int | None, documents: Sequence[ManifestFile]
) -> AsyncGenerator[list[ManifestFile], None]:
    """Give all files in the order of their names, which as texts have the order of their UTF-8."""
    waiting = sorted(documents, key=_NAME)
    async with aclosing(_read_body(db, snapshot_id)) as pieces:
        async for files in pieces:
            due = [each for each in waiting if each.name < files[-1].name]
            waiting = waiting[len(due) :]
            yield sorted([*due, *files], key=_NAME)
    if waiting:
        yield waiting


async def _read_body(db: Database, snapshot_id: int | None) -> AsyncGenerator[list[ManifestFile], None]:
    after, more = "", snapshot_id is not None
    while more:
        rows = await db.fetch(
            """SELECT name, CASE WHEN kind = 'relation' THEN lines END AS lines, raw_size, sha256 FROM entries
               WHERE snapshot_id = $1 AND name > $2 AND kind <> 'directory' AND name <> ALL ($3)
               ORDER BY name LIMIT $4""",
            snapshot_id, after, OF_HEAD, READ_AT_ONCE,
        )  # fmt: skip
        for start in range(0, len(rows), _PIECE):
            yield [_file(row) for row in rows[start : start + _PIECE]]
        more = len(rows) == READ_AT_ONCE
        after = rows[-1]["name"] if more else ""


def _file(row: Row) -> ManifestFile:
    return ManifestFile(
        name=row["name"], size=row["raw_size"], sha256=row["sha256"].hex(), lines=row["lines"]
    )
