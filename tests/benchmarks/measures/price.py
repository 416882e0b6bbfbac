"""What the nastiest archives cost, in seconds of a core for each MiB that was sent or is a gift.

Hashing and encoding are counted, database and storage are not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from functools import partial

from shared.archive.budget import Budget
from shared.archive.limits import Prices
from shared.errors import ArchiveError
from tests.benchmarks.bench import Bench
from tests.benchmarks.results import Sample, at_most
from tests.support.nasty import HUGE, empty_members, nasty
from tests.support.restoring import restore
from tests.support.spools import MIB

_SIZE = MIB
_BLOBS = {
    "zeros", "zeros in an LFS object", "a file that is skipped", "a file of many lines", "empty files",
    "small files", "a file again",
}  # fmt: skip
_CORPUS = {what: partial(nasty, what) for what in HUGE} | {"empty gzip members": empty_members}


def measure(_: Bench) -> Iterator[Sample]:
    """Restore each sort of nasty archive until it is over or refused."""
    for what, make in _CORPUS.items():
        budget, watch = Budget(Prices()), _Watch()
        asyncio.run(_restore(watch.leave_out(make(_SIZE)), budget))
        goal = at_most(4 if what in _BLOBS else 2)
        yield Sample(what, watch.seconds * MIB / budget.limit, "s/MiB", goal)


class _Watch:
    """Counts the seconds of a core, less those that the archive takes to be made."""

    def __init__(self) -> None:
        self._begun = time.process_time()

    @property
    def seconds(self) -> float:
        return time.process_time() - self._begun

    def leave_out(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        begun = time.process_time()
        for piece in pieces:
            self._begun += time.process_time() - begun
            yield piece
            begun = time.process_time()


async def _restore(pieces: Iterator[bytes], budget: Budget) -> None:
    try:
        await restore(pieces, budget)
    except ArchiveError:
        return  # refused, which ends what it costs
