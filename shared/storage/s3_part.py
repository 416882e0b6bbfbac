"""One part of an object on its way to S3."""

from __future__ import annotations

from collections.abc import AsyncIterator

_SMALL = 64 * 1024
_STEP = 256 * 1024
"""Bytes that are sent at a time, at most: a connection copies what its socket does not take at once.

Pieces of less than 64 KiB are joined to that many, as each costs a hundred bytes of memory and a call.
"""


class Part:
    """The bytes of a part, kept as the pieces in which they came, and sent as often as they have to be.

    It is the body of a request of aiobotocore: that asks for its length, to announce it, and gives it to
    aiohttp, which iterates. A large piece is never copied, and stays held until the last part that has bytes
    of it is dropped.
    """

    def __init__(self) -> None:
        self._pieces: list[memoryview] = []
        self._joined = bytearray()
        self._size = 0

    def __len__(self) -> int:
        """Give the bytes in it."""
        return self._size

    def append(self, data: memoryview) -> None:
        """Take bytes that nobody changes."""
        self._size += len(data)
        if len(self._joined) + len(data) > _STEP or len(data) >= _SMALL:
            self._end_joined()
        if len(data) < _SMALL:
            self._joined += data
        else:
            self._pieces.append(data)

    def _end_joined(self) -> None:
        if self._joined:
            self._pieces.append(memoryview(self._joined))
            self._joined = bytearray()

    async def __aiter__(self) -> AsyncIterator[memoryview]:
        """Give the bytes, from the first one each time; nothing is appended any more."""
        self._end_joined()
        for piece in self._pieces:
            for start in range(0, len(piece), _STEP):
                yield piece[start : start + _STEP]

    def read(self) -> bytes:
        """Fail: botocore wants a body to have it, but has nothing to hash here."""
        raise NotImplementedError

    def seek(self, _position: int) -> None:
        """Begin again: botocore calls this before each further attempt, and every iteration does."""
