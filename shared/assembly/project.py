"""tree/project.json of an export: the document of the import, with the attributes changed since."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing

from shared.assembly.blocks import BlockReader
from shared.assembly.layout import run_of
from shared.gitlab.project_json import project_attributes
from shared.projects.content import ProjectContent
from shared.segments.inflater import inflate
from shared.snapshots.models import PlacedEntry

_EMPTY = b"{}"


async def project_document(
    blocks: BlockReader,
    stored: PlacedEntry | None,
    content: ProjectContent,
    *,
    overrides: Mapping[str, object],
) -> bytes | None:
    """Make the document; None where the ``stored`` one is right as it is.

    Without a stored one it has the attributes of the project. Held in memory: 50 MiB at most, as in imports.
    Raises CorruptSegment and StorageError.
    """
    if stored is None:
        return project_attributes(_EMPTY, {**content.attributes, **overrides})
    if not overrides:
        return None
    return await asyncio.to_thread(project_attributes, await load(blocks, stored), overrides)


async def stored_document(blocks: BlockReader, placed: PlacedEntry, kept: bytes | None = None) -> bytes:
    """Give a document as it is stored: the ``kept`` bytes, or else by a read. Raises StorageError."""
    if kept is not None:
        return kept
    async with aclosing(blocks.read(run_of(placed))) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def load(blocks: BlockReader, placed: PlacedEntry, kept: bytes | None = None) -> bytes:
    """Inflate what ``stored_document`` gives: 50 MiB at most. Raises CorruptSegment and StorageError."""
    entry = placed.entry
    data = await stored_document(blocks, placed, kept)
    return await asyncio.to_thread(inflate, data, raw_length=entry.raw_size, crc32=entry.crc32)
