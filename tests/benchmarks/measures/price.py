"""What the nastiest archives of 1 MiB cost, in seconds of a core for each MiB that was sent or is a gift.

At most 2 s, 4 s for blobs. Hashing and encoding are counted, database and storage are not.
CROSSDOCK_NASTY_KIB is the size of an archive.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import partial

import pytest

from shared.archive.budget import Budget
from shared.archive.limits import MIB, Prices
from shared.errors import ArchiveError
from tests.support.nasty import HUGE, empty_members, nasty
from tests.support.restoring import restore

SIZE = int(os.environ.get("CROSSDOCK_NASTY_KIB", "1024")) * 1024
CORPUS = {what: partial(nasty, what) for what in HUGE} | {"empty gzip members": empty_members}


@pytest.mark.parametrize("what", CORPUS)
async def test_price(what: str) -> None:
    budget, watch = Budget(Prices()), _Watch()
    outcome = await _outcome(watch.leave_out(CORPUS[what](SIZE)), budget)
    seconds, paid = watch.seconds, budget.limit / MIB
    print(
        f"\n{what:<32} {seconds:6.2f} s  {seconds / paid:6.2f} s/MiB"
        f"  {budget.received / 1024:8.1f} KiB read  {outcome}"
    )


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


async def _outcome(pieces: Iterator[bytes], budget: Budget) -> str:
    try:
        await restore(pieces, budget)
    except ArchiveError as error:
        return error.code
    return "imported"
