"""One connection: what it does now and since when, and how much time its peer may still cost."""

from __future__ import annotations

import asyncio
from asyncio.trsock import TransportSocket
from collections.abc import Sequence
from enum import Enum
from ipaddress import IPv4Address, IPv6Address

from services.listener.crowd import Crowd
from services.listener.peers import parse_address
from services.listener.phase import Phase
from services.listener.tcp import acknowledged_bytes, limit_silence
from shared.credit import Credit


class Ending(Enum):
    """Why a connection ended."""

    OVER = "over"  # the client, or aiohttp after an answer, closed it
    HEAD = "head"  # no complete head came in time
    IDLE = "idle"  # no further request came in time
    SLOW = "slow"  # the client took too little of the answer
    EVICTED = "evicted"  # another connection got its place
    FULL = "full"  # refused: all places are taken by requests at work
    SHARE = "share"  # refused: all places of the peer's share are


class Connection:
    """A connection with its phase, the time ``since`` when that lasts, and the crowds that count it.

    ``share`` names its peer's share; it is empty for a trusted proxy. ``reader`` is the task of a request
    that changes nothing, while it is at work. Until ``spared_until`` the peer may take the answer to the
    request at work as slowly as it likes.
    """

    __slots__ = (
        "_acknowledged", "credit", "crowds", "ending", "phase", "reader", "share", "since", "spared_until",
        "transport",
    )  # fmt: skip

    def __init__(self, transport: asyncio.Transport, credit: Credit) -> None:
        self.transport = transport
        self.credit = credit
        self.phase = Phase.HEAD
        self.since = 0.0
        self.share = ""
        self.crowds: Sequence[Crowd[Connection]] = ()
        self.ending: Ending | None = None
        self.reader: asyncio.Task[object] | None = None
        self.spared_until = 0.0
        self._acknowledged = 0

    @property
    def peer(self) -> IPv4Address | IPv6Address | None:
        """The address of the peer; None if it has gone."""
        name = self.transport.get_extra_info("peername")
        return parse_address(name[0]) if name else None

    @property
    def is_writing(self) -> bool:
        """Whether something waits for the peer to take it."""
        return self.transport.get_write_buffer_size() > 0

    @property
    def awaits_head(self) -> bool:
        """Whether a byte that comes now begins a head."""
        return self.phase is Phase.IDLE or (self.phase is Phase.SENDING and not self.is_writing)

    def limit_silence(self, *, seconds: float) -> None:
        """Make the kernel end the connection when its peer acknowledges nothing for so long."""
        limit_silence(self._socket, seconds=seconds)

    def charge(self, seconds: float) -> None:
        """Take ``seconds`` from the credit, and add what the bytes earn that were acknowledged meanwhile."""
        acknowledged = acknowledged_bytes(self._socket)
        self.credit.spend(seconds)
        self.credit.earn(acknowledged - self._acknowledged)
        self._acknowledged = acknowledged

    @property
    def _socket(self) -> TransportSocket:
        found: TransportSocket = self.transport.get_extra_info("socket")
        return found
