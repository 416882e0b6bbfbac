"""How long a job waits for a peer: in the queue, where it holds no worker and costs no attempt.

What passes at the peer (it is at work, limits requests, or is away) has the job wait. That has an end: 24
hours in all, and an hour without an answer, after which attempts count as they do elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from yarl import URL

from shared.peer_transfers.errors import PeerOverdue
from shared.peer_transfers.transfers import Transfer
from shared.peers.errors import PeerLimited
from shared.remote.errors import HostUnresolved, RemoteError

LONGEST = timedelta(hours=24)
"""How long a job waits for a peer in all: so long GitLab keeps an export."""
LONGEST_SILENCE = timedelta(hours=1)
"""How long a peer may be away before that costs attempts."""

_FIRST, _MOST, _PART = 5, 60, 4
_AWAY = 30


def next_look(since: timedelta) -> int:
    """Give the seconds until the next look at what has begun so long ago: a quarter of that, 5 to 60."""
    return min(max(_FIRST, int(since.total_seconds()) // _PART), _MOST)


def check_time(transfer: Transfer, url: URL) -> None:
    """Raise PeerOverdue where the job has waited for long enough."""
    if transfer.lasts > LONGEST:
        raise PeerOverdue(url, LONGEST)


@contextmanager
def waits_in_queue(transfer: Transfer) -> Iterator[None]:
    """Make errors of the block that may pass cost the job no attempt."""
    try:
        yield
    except PeerLimited as error:
        error.counts = False
        raise
    except (RemoteError, HostUnresolved) as error:
        if error.retryable and transfer.silence < LONGEST_SILENCE:
            error.counts = False
            error.wait = error.wait or _AWAY
        raise
