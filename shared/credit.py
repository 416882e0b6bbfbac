"""Credit: the time that a peer may still cost. Waiting for it spends credit, and each byte earns some."""

from __future__ import annotations


class Credit:
    """The seconds that may still be spent on one peer: never more than ``most``, and so many at the start.

    Each byte earns 1 / ``rate`` seconds. So a peer that moves ``rate`` bytes a second never runs out, however
    long that takes, and one that moves none runs out after ``most`` seconds. The caller measures the time: it
    spends only what it waited for the peer, and not what it took itself.
    """

    __slots__ = ("_most", "_rate", "left")

    def __init__(self, *, rate: float, most: float) -> None:
        self._rate = rate
        self._most = most
        self.left = most
        """The seconds that are left; 0 or fewer when the peer has run out."""

    def spend(self, seconds: float) -> None:
        """Take the time for which the peer was waited for."""
        self.left -= seconds

    def earn(self, count: int) -> None:
        """Add what ``count`` bytes earn, as far as the credit may grow."""
        self.left = min(self.left + count / self._rate, self._most)

    @property
    def is_out(self) -> bool:
        """Whether the peer has run out of credit."""
        return self.left <= 0
