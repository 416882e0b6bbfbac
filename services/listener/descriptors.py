"""How many connections the file descriptors of the process allow.

Without a free descriptor asyncio's accept fails over and over, with a traceback for each time, and nobody is
answered. So there are always some left.
"""

from __future__ import annotations

import resource
from dataclasses import dataclass

_SPARE = 64
"""For logs, the command line, resolvers, webhooks, and what else opens a file now and then."""

_FEWEST = 16

_LARGEST_BACKLOG = 128
_BACKLOGS = 4
"""Turns of the event loop between an accept and the end of the connection that is evicted for it."""

_MOST_DESCRIPTORS = 1 << 20
"""What is never more than the memory allows anyway; some systems allow a thousand times as many."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """The connections that may be open at once, and those that one turn of the event loop accepts."""

    connections: int
    backlog: int


def raise_descriptor_limit() -> int:
    """Raise the process's limit of file descriptors as far as it may, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return most if soft == resource.RLIM_INFINITY else soft


def find_capacity(descriptors: int, *, reserved: int, most: int) -> Capacity:
    """Return the capacity that ``descriptors`` allow, at most ``most`` connections and at least 16.

    ``reserved`` is how many the storage, the database and the broker may open.
    """
    backlog = min(max(descriptors // 32, 8), _LARGEST_BACKLOG)
    left = descriptors - reserved - _SPARE - _BACKLOGS * backlog
    return Capacity(max(min(left, most), _FEWEST), backlog)
