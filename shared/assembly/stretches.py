"""Joins stored runs into stretches, each of which is read by one request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from shared.storage.checksums import BLOCK
from shared.storage.composition import ObjectRange

GAP = 64 * 1024
"""Bytes between two runs that are read and thrown away, rather than to send another request."""

LONGEST = 4 * 2**30
"""The most bytes of a stretch: its checksums are held, 16 KiB of them at most."""


def stretches(runs: Iterable[ObjectRange]) -> Iterator[ObjectRange]:
    """Give the stretches that cover the runs, in their order.

    Runs are joined where the next one begins in the last block of the one before, which is read whole in any
    case, or at most ``GAP`` bytes after it.
    """
    current: ObjectRange | None = None
    for run in runs:
        if current and _joins(current, run):
            current = ObjectRange(current.key, current.position, run.end - current.position)
            continue
        if current:
            yield from _cut(current)
        current = run
    if current:
        yield from _cut(current)


def _joins(before: ObjectRange, after: ObjectRange) -> bool:
    end = before.end
    return before.key == after.key and end <= after.position <= block_end(end) + GAP


def block_end(position: int) -> int:
    """Give where the block ends that has the byte before ``position``."""
    return -(-position // BLOCK) * BLOCK


def _cut(stretch: ObjectRange) -> Iterator[ObjectRange]:
    end = stretch.end
    for start in range(stretch.position, end, LONGEST):
        yield ObjectRange(stretch.key, start, min(LONGEST, end - start))
