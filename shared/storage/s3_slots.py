"""Bounds the bytes of the parts that are larger than the first ones of their objects."""

from __future__ import annotations

import asyncio


class Slots:
    """``number`` slots of ``size`` bytes each, for larger parts from their first byte until they are sent.

    A part takes as many slots as its bytes fill, at most all. So either ``number * size`` bytes are held at
    most, or a single larger part. Who comes first is served first.
    """

    def __init__(self, number: int, *, size: int) -> None:
        self._number = number
        self._size = size
        self._free = asyncio.Semaphore(number)
        self._turn = asyncio.Lock()

    async def acquire(self, length: int) -> None:
        """Take the slots for ``length`` bytes, all or none. Waits until they are free."""
        taken = 0
        async with self._turn:
            try:
                for _ in range(self._slots_for(length)):
                    await self._free.acquire()
                    taken += 1
            except BaseException:
                self._give_back(taken)
                raise

    def release(self, length: int) -> None:
        """Give back the slots for ``length`` bytes; for 0 bytes there are none."""
        self._give_back(self._slots_for(length))

    def _slots_for(self, length: int) -> int:
        return min(-(-length // self._size), self._number)

    def _give_back(self, number: int) -> None:
        for _ in range(number):
            self._free.release()
