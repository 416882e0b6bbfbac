"""Admission: a scarce thing has a number of places in a process, and each holder a share of them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from shared.errors import CrossdockError, TooMany, Unavailable

REMEMBERED = 1_000
"""How many holders without a place are remembered with the time at which they were served."""

_WAIT = 10
"""Seconds after which a refused holder may try again."""


class RefusalReason(StrEnum):
    """Why a holder gets no place: it holds its own share, or others hold the rest."""

    SHARE = "share"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds places: a user, or a stranger by the address."""

    key: str
    is_stranger: bool = False

    @classmethod
    def of_user(cls, user_id: int) -> Holder:
        """Return the holder for a user, whichever token is used."""
        return cls(f"user:{user_id}")

    @classmethod
    def of_address(cls, address: str) -> Holder:
        """Return the holder for all who are not identified at an address."""
        return cls(f"address:{address}", is_stranger=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceLimits:
    """The bounds of one kind of place in a process.

    Of ``total`` places, one holder has at most ``share``. At most ``waiting`` requests wait for one, and
    ``waiting_each`` of one holder, for ``patience`` at most; without patience nobody waits.
    """

    name: str
    total: int
    share: int
    waiting: int = 200
    waiting_each: int = 8
    patience: timedelta = timedelta(seconds=30)

    @property
    def kept_free(self) -> int:
        """The places that only those may take who hold none: a tenth, at least one."""
        return max(1, self.total // 10)

    @property
    def for_strangers(self) -> int:
        """The places that all strangers together may hold: half, at least one."""
        return max(1, self.total // 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRules:
    """What all kinds of places have in common; ``share`` is the fraction of one holder."""

    share: float = 0.25
    waiting: int = 200
    waiting_each: int = 8
    patience: timedelta = timedelta(seconds=30)

    def limits(self, name: str, total: int) -> PlaceLimits:
        """Return the limits for ``total`` places, of which each holder has at least one as its share."""
        return PlaceLimits(
            name=name,
            total=total,
            share=max(1, int(total * self.share)),
            waiting=self.waiting,
            waiting_each=self.waiting_each,
            patience=self.patience,
        )


class ShareUsed(TooMany):
    """The caller holds its share of the places that the message names: end something first, or wait."""

    code = "place_share_used"

    def __init__(self, limits: PlaceLimits) -> None:
        super().__init__(
            f"your share of {limits.name} is in use: {limits.share} of {limits.total}", wait=_WAIT
        )
        self.limit = limits.name


class PlacesTaken(Unavailable):
    """Others hold all of the places that the message names: try again later."""

    code = "places_taken"

    def __init__(self, limits: PlaceLimits) -> None:
        super().__init__(f"all {limits.name} are in use")
        self.limit = limits.name


@dataclass(slots=True)
class PlaceUse:
    """What happened since the start: refusals by reason, waits that ended, and their seconds in all."""

    refused: Counter[RefusalReason] = field(default_factory=Counter)
    waits: int = 0
    seconds_waited: float = 0.0


class Places:
    """Gives places to holders, and queues those who may not have one yet.

    The next is, of those that may, the holder with the fewest places, then the one served longest ago.
    Nobody waits who may take a place, as each release serves all who may.
    """

    def __init__(self, limits: PlaceLimits) -> None:
        self.limits = limits
        self.use = PlaceUse()
        self.used = 0
        """The places that are held."""
        self._held: Counter[Holder] = Counter()
        self._strangers = 0
        self._queues: dict[Holder, deque[asyncio.Future[None]]] = {}
        self._served: OrderedDict[Holder, int] = OrderedDict()
        self._turns = 0

    @property
    def waiting(self) -> int:
        """The requests that wait."""
        return sum(map(len, self._queues.values()))

    @property
    def most_held(self) -> int:
        """The places of the holder who has the most."""
        return max(self._held.values(), default=0)

    def held_by(self, holder: Holder) -> int:
        """Return how many places a holder has."""
        return self._held[holder]

    def closed_to(self) -> list[Holder]:
        """Return the holders of places who may take no further one now."""
        return [holder for holder in self._held if not self.may_take(holder)]

    def may_take(self, holder: Holder) -> bool:
        """Return whether a place is free for this holder."""
        limits, held = self.limits, self._held[holder]
        if holder.is_stranger and self._strangers >= limits.for_strangers:
            return False
        return held < limits.share and limits.total - self.used > (limits.kept_free if held else 0)

    @asynccontextmanager
    async def hold(self, holder: Holder) -> AsyncIterator[None]:
        """Take a place as ``take`` does, and hold it for the block."""
        await self.take(holder)
        try:
            yield
        finally:
            self.release(holder)

    async def take(self, holder: Holder) -> None:
        """Take a place, at once if one is free for this holder; wait for one otherwise.

        Raises ShareUsed for who holds its share, and PlacesTaken for others, where the queue is full or no
        place became free in time.
        """
        if self.may_take(holder):
            self._grant(holder)
        elif self._may_wait(holder):
            await self._wait(holder)
        else:
            raise self._refuse(holder)

    def release(self, holder: Holder) -> None:
        """Give a place back, and serve those who may be served now."""
        self.used -= 1
        self._held[holder] -= 1
        self._strangers -= holder.is_stranger
        if not self._held[holder]:
            del self._held[holder]
        self._serve()

    def _grant(self, holder: Holder) -> None:
        self.used += 1
        self._held[holder] += 1
        self._strangers += holder.is_stranger
        self._turns += 1
        self._served[holder] = self._turns
        self._served.move_to_end(holder)
        if len(self._served) > REMEMBERED + self.limits.total:
            self._served.popitem(last=False)

    def _serve(self) -> None:
        while able := [holder for holder in self._queues if self.may_take(holder)]:
            holder = min(able, key=lambda each: (self._held[each], self._served.get(each, 0)))
            waiter = self._queues[holder][0]
            self._leave_queue(holder, waiter)
            if not waiter.done():  # it is done where its task was cancelled and has not run since
                self._grant(holder)
                waiter.set_result(None)

    def _may_wait(self, holder: Holder) -> bool:
        limits, queue = self.limits, self._queues.get(holder, ())
        if holder.is_stranger and self._waiting_strangers >= max(1, limits.waiting // 2):
            return False
        return bool(limits.patience) and len(queue) < limits.waiting_each and self.waiting < limits.waiting

    @property
    def _waiting_strangers(self) -> int:
        return sum(len(queue) for holder, queue in self._queues.items() if holder.is_stranger)

    async def _wait(self, holder: Holder) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._queues.setdefault(holder, deque()).append(waiter)
        began = time.monotonic()
        try:
            async with asyncio.timeout(self.limits.patience.total_seconds()):
                await waiter
        except BaseException as error:
            self._give_up(holder, waiter)
            if isinstance(error, TimeoutError):
                raise self._refuse(holder) from None
            raise
        finally:
            self.use.waits += 1
            self.use.seconds_waited += time.monotonic() - began

    def _give_up(self, holder: Holder, waiter: asyncio.Future[None]) -> None:
        """End a wait. A place that was granted in this very turn is handed on."""
        if waiter.done() and not waiter.cancelled():
            self.release(holder)
        else:
            self._leave_queue(holder, waiter)

    def _leave_queue(self, holder: Holder, waiter: asyncio.Future[None]) -> None:
        queue = self._queues.get(holder)
        if queue is not None and waiter in queue:
            queue.remove(waiter)
            if not queue:
                del self._queues[holder]

    def _refuse(self, holder: Holder) -> ShareUsed | PlacesTaken:
        if self._held[holder] >= self.limits.share:
            self.use.refused[RefusalReason.SHARE] += 1
            return ShareUsed(self.limits)
        self.use.refused[RefusalReason.FULL] += 1
        return PlacesTaken(self.limits)


@asynccontextmanager
async def end_after(longest: timedelta, error: CrossdockError) -> AsyncIterator[None]:
    """Cancel the block after ``longest``, and raise ``error`` then."""
    try:
        async with asyncio.timeout(longest.total_seconds()) as deadline:
            yield
    except TimeoutError:
        if not deadline.expired():
            raise
        raise error from None
