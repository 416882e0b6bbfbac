"""The body of an upload: checks its length, watches the remote, and keeps its own errors apart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from yarl import URL

from shared.remote.errors import LengthWrong, RemoteError, TooSlow
from shared.remote.pace import Pace

_SLICE = 64 * 1024
"""Bytes between two resets of the timer, at most: a slow remote has to accept that many within ``idle``."""


class UploadBody:
    """The body of one request: ``length`` bytes from ``source``.

    The remote has ``idle`` to accept each 64 KiB, and ``answer`` to answer after the last.
    """

    def __init__(  # the limits of a body
        self,
        source: AsyncIterator[bytes],
        url: URL,
        *,
        length: int,
        pace: Pace,
        idle: timedelta,
        answer: timedelta,
    ) -> None:
        self._source = source
        self._url = url
        self._length = self._left = length
        self._pace = pace
        self._idle = idle.total_seconds()
        self._answer = answer.total_seconds()
        self._timeout = asyncio.timeout(None)
        self._stopped = False
        self._failure: Exception | None = None
        self._pulling = asyncio.Lock()

    @property
    def complete(self) -> bool:
        """Whether every byte was given to the connection."""
        return self._left == 0

    def deadline(self, opening: timedelta) -> asyncio.Timeout:
        """Give the timeout that ends the request once the remote is idle.

        Waiting for ``source`` does not count.
        """
        self._timeout = asyncio.timeout(opening.total_seconds() + self._idle)
        return self._timeout

    def stop(self) -> None:
        """Send no more and stop the timer: the answer has come."""
        self._stopped = True
        self._timeout.reschedule(None)

    async def chunks(self) -> AsyncIterator[memoryview]:
        """Give the body, in pieces of at most 64 KiB. Raises TooSlow."""
        while (chunk := await self._pull()) is not None:
            for start in range(0, len(chunk), _SLICE):
                await _let_answers_in()
                if self._stopped:
                    return
                piece = memoryview(chunk)[start : start + _SLICE]
                self._left -= len(piece)
                self._watch(self._idle)
                self._pace.begin()
                yield piece
                self._count(len(piece))
        self._watch(self._answer)

    @asynccontextmanager
    async def wait_for_source(self) -> AsyncIterator[None]:
        """Leave the block once ``source`` is not being read; raise the body's error if that ended it."""
        try:
            yield
        except RemoteError:
            if self._failure is not None:
                raise self._failure from None
            raise
        finally:
            await self._pulling.acquire()

    async def _pull(self) -> bytes | None:
        self._watch(None)
        async with self._pulling:
            try:
                chunk = await anext(self._source, None)
                self._check(chunk)
            except Exception as error:
                self._failure = error
                raise
        return chunk

    def _count(self, accepted: int) -> None:
        try:
            self._pace.end(accepted)
        except TooSlow as error:
            self._failure = error
            raise

    def _check(self, chunk: bytes | None) -> None:
        short = chunk is None and self._left > 0
        if short or len(chunk or b"") > self._left:
            raise LengthWrong(self._url, self._length)

    def _watch(self, seconds: float | None) -> None:
        if not self._stopped:
            now = asyncio.get_running_loop().time()
            self._timeout.reschedule(None if seconds is None else now + seconds)


async def _let_answers_in() -> None:
    """Let the event loop read before it writes.

    A server that refuses in the middle of a body may close at once. The next write then fails, and
    with it goes what was not read yet: the reason. One turn finds what has arrived, the next reads it.
    """
    await asyncio.sleep(0)
    await asyncio.sleep(0)
