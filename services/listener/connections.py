"""All connections of the listener: how many there may be, and how long each may wait or make us wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from services.listener.connection import Connection, Ending
from services.listener.crowd import Crowd
from services.listener.peers import TrustedProxies, share_of
from services.listener.phase import Phase
from shared.credit import Credit

_TICK = 1.0
"""Seconds between two looks at all connections."""

_LONGEST_TICK = 5.0
"""The most seconds that one look charges: a peer does not pay for an event loop that stood still."""

_YOUNG = 0.2
"""Seconds that a new connection has for its head before another one may get its place."""

_ACKNOWLEDGED_AT_ONCE = 128 * 1024
"""Bytes: acknowledgements come in steps, over loopback of some 100 KiB, however evenly the peer reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """The limits of connections.

    ``most``: open at once; a peer has at most a quarter of them. ``backlog``: accepted in one turn of the
    event loop. ``head``: from the accept, or the first byte of a further request, to a complete head.
    ``idle``: between two requests. ``rate``: bytes a second that a client has to take of an answer, or it
    runs out of credit after ``grace``, or after the time of 128 KiB at that rate if this is longer.
    ``silence``: in which the peer acknowledges nothing.
    """

    most: int = 1024
    backlog: int = 128
    head: timedelta = timedelta(seconds=15)
    idle: timedelta = timedelta(seconds=75)
    rate: int = 1024
    grace: timedelta = timedelta(minutes=1)
    silence: timedelta = timedelta(minutes=2)

    @property
    def most_of_a_peer(self) -> int:
        """How many connections one peer may have."""
        return max(1, self.most // 4)

    def make_credit(self) -> Credit:
        """Return the credit of a peer that takes answers."""
        return Credit(rate=self.rate, most=max(self.grace.total_seconds(), _ACKNOWLEDGED_AT_ONCE / self.rate))


class Connections:
    """All connections. It ends those that are over a limit, each time that ``tick`` is called.

    ``clock`` gives seconds. ``on_end`` is called once for each connection that ended or was refused.
    """

    def __init__(
        self,
        limits: ConnectionLimits,
        *,
        proxies: TrustedProxies,
        on_end: Callable[[Ending], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits
        self.proxies = proxies
        self._on_end = on_end
        self._clock = clock
        self._ticked = clock()
        self._all: Crowd[Connection] = Crowd()
        self._of_peers: dict[str, Crowd[Connection]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def count(self, phase: Phase) -> int:
        """Return how many connections are in a phase."""
        return len(self._all.members(phase))

    def admit(self, connection: Connection) -> Ending | None:
        """Count a new connection, or return why it has to be refused.

        Over a limit, the connection that was idle for the longest time gives its place away, or else the one
        that sent no head for the longest time; one whose request is at work never does.
        """
        name = self._share_of(connection)
        of_peer = self._of_peers.get(name) or Crowd()
        if name and not self._make_room(of_peer, self.limits.most_of_a_peer):
            return self._refuse(Ending.SHARE)
        if not self._make_room(self._all, self.limits.most):
            return self._refuse(Ending.FULL)
        connection.share, connection.crowds = name, [self._all]
        if name:
            connection.crowds = [self._all, self._of_peers.setdefault(name, of_peer)]
        self._enter(connection, Phase.HEAD)
        return None

    def move(self, connection: Connection, phase: Phase) -> None:
        """Begin a phase of a connection. Nothing happens to one that has ended."""
        if connection.ending is None:
            self._leave(connection)
            self._enter(connection, phase)

    def spare(self, connection: Connection, *, seconds: float) -> None:
        """Let the peer take its answer as slowly as it likes for so long."""
        connection.spared_until = self._clock() + seconds

    def end(self, connection: Connection, ending: Ending) -> None:
        """Count the end of a connection, and abort it: to close it would wait until the peer has taken all.

        May be repeated; the first reason counts.
        """
        if connection.ending is None and connection.crowds:
            connection.ending = ending
            self._leave(connection)
            if not self._of_peers.get(connection.share, True):
                del self._of_peers[connection.share]
            self._on_end(ending)
            connection.transport.abort()

    def forget(self, connection: Connection) -> None:
        """Count the end of a connection that is closed already, unless it was counted."""
        self.end(connection, Ending.OVER)

    def tick(self) -> None:
        """End the connections whose head or whose next request is late, or whose peer takes too little."""
        now = self._clock()
        self._end_late(Phase.HEAD, now - self.limits.head.total_seconds(), Ending.HEAD)
        self._end_late(Phase.IDLE, now - self.limits.idle.total_seconds(), Ending.IDLE)
        self._charge(now, min(now - self._ticked, _LONGEST_TICK))
        self._ticked = now
        for connection in list(self._all.members(Phase.SENDING)):
            if not connection.is_writing:
                self.move(connection, Phase.IDLE)

    async def keep_ticking(self) -> None:
        """Call ``tick`` once a second until cancelled."""
        while True:
            await asyncio.sleep(_TICK)
            self.tick()

    def _share_of(self, connection: Connection) -> str:
        """Return the peer's share; empty for a trusted proxy, from which all clients come."""
        peer = connection.peer
        return "" if peer is None or peer in self.proxies else share_of(peer)

    def _make_room(self, crowd: Crowd[Connection], most: int) -> bool:
        """Evict a connection if the crowd is full. Returns whether there is a place now."""
        if len(crowd) < most:
            return True
        idle, waiting = crowd.find_oldest(Phase.IDLE), crowd.find_oldest(Phase.HEAD)
        if idle is None and waiting is not None and waiting.since > self._clock() - _YOUNG:
            return False
        evicted = idle or waiting
        if evicted is None:
            return False
        self.end(evicted, Ending.EVICTED)
        return True

    def _refuse(self, ending: Ending) -> Ending:
        self._on_end(ending)
        return ending

    def _enter(self, connection: Connection, phase: Phase) -> None:
        connection.phase, connection.since = phase, self._clock()
        for crowd in connection.crowds:
            crowd.add(connection, phase)

    def _leave(self, connection: Connection) -> None:
        for crowd in connection.crowds:
            crowd.remove(connection, connection.phase)

    def _end_late(self, phase: Phase, before: float, ending: Ending) -> None:
        while (oldest := self._all.find_oldest(phase)) is not None and oldest.since <= before:
            self.end(oldest, ending)

    def _charge(self, now: float, seconds: float) -> None:
        for phase in (Phase.BUSY, Phase.SENDING):
            for connection in list(self._all.members(phase)):
                if connection.is_writing and now >= connection.spared_until:
                    connection.charge(seconds)
                    if connection.credit.is_out:
                        self.end(connection, Ending.SLOW)
