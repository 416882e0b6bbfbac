"""The items of an archive: its bytes, and where those are that are stored."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from shared.assembly.layout import LayoutItem
from shared.database.pool import Database
from shared.exports.archives import ArchivePlan
from shared.snapshots import runs
from shared.storage.composition import ObjectRange, length_of

Placed = tuple[int, LayoutItem]
"""An item, and its offset in the archive."""


async def planned_items(
    db: Database, plan: ArchivePlan, head: bytes | ObjectRange, *, start: int = 0
) -> AsyncGenerator[Placed, None]:
    """Give the items of a plan that has a tail; those wholly before the offset ``start`` may be missing.

    ``head`` is what the plan has, or where its object is. Where the snapshot is gone, the body ends early.
    """
    yield 0, head
    tail = plan.tail or b""
    before = length_of(head)
    end = plan.size - len(tail)
    if plan.snapshot_id is not None and start < end:
        async for placed in runs.read_runs(db, plan.snapshot_id, offset=max(start - before, 0)):
            at = before + placed.run.start
            yield at, placed.run.lead
            yield at + len(placed.run.lead), ObjectRange(placed.key, placed.run.position, placed.run.size)
    yield end, tail
