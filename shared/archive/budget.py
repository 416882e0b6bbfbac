"""The price of an archive: how much work reading it may be, by the bytes that were sent for it."""

from __future__ import annotations

from collections import Counter
from enum import Enum
from math import lcm

from shared.archive.errors import ArchiveCostsTooMuch
from shared.archive.limits import Prices


class Work(Enum):
    """The kinds of work; the value names what is counted."""

    BYTES = "bytes"
    ENTRIES = "entries"
    LINES = "lines"
    PARSED = "parsed bytes"
    BRACKETS = "brackets"


class Budget:
    """Counts the work that one archive is, and refuses it where the bytes sent do not pay for that.

    Every kind is paid for from one account, so that an archive cannot be expensive in each of them. It counts
    integers and no time, so that an archive costs the same on every machine.
    """

    def __init__(self, prices: Prices) -> None:
        self._unit = lcm(prices.ratio, prices.parsed_ratio, prices.bracket_ratio)  # of a byte sent
        self._prices = {
            Work.BYTES: self._unit // prices.ratio,
            Work.ENTRIES: self._unit * prices.entry,
            Work.LINES: self._unit * prices.line,
            Work.PARSED: max(0, self._unit // prices.parsed_ratio - self._unit // prices.ratio),
            Work.BRACKETS: self._unit // prices.bracket_ratio,
        }
        self._done: Counter[Work] = Counter()
        self._cost = 0
        self._earned = prices.gift * self._unit
        self.received = 0
        """Bytes that were sent."""

    @property
    def cost(self) -> int:
        """What the work has cost, in bytes sent, rounded up."""
        return -(-self._cost // self._unit)

    @property
    def limit(self) -> int:
        """What the work may cost by now, in bytes sent."""
        return self._earned // self._unit

    def earn(self, received: int) -> None:
        """Add bytes that were sent."""
        self.received += received
        self._earned += received * self._unit

    def spend(self, work: Work, amount: int) -> None:
        """Pay for work, before it is done. Raises ArchiveCostsTooMuch."""
        self._done[work] += amount
        self._cost += amount * self._prices[work]
        if self._cost > self._earned:
            raise ArchiveCostsTooMuch(
                work.value, self._done[work], cost=self.cost, received=self.received, limit=self.limit
            )

    def spend_on_lines(self, data: bytes) -> None:
        """Pay for the parsing of ``data``, and of the lines that end in it. Raises ArchiveCostsTooMuch."""
        self.spend(Work.PARSED, len(data))
        self.spend(Work.LINES, data.count(b"\n"))
