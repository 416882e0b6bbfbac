"""The answer to a request, whatever its status, whose body is read once and as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import timedelta

from aiohttp import ClientResponse
from isal import isal_zlib
from multidict import CIMultiDictProxy
from yarl import URL

from shared.remote.errors import AnswerMalformed, AnswerTooLarge
from shared.remote.exchange import read_excerpt, translate_errors
from shared.remote.pace import Pace

CHUNK = 256 * 1024
_GZIP = 31
"""What zlib calls a window of 32 KiB in the frame of gzip."""


class RemoteStream:
    """An answer; ``url`` is where it came from after all redirects, without credentials."""

    def __init__(self, answer: ClientResponse, *, idle: timedelta, pace: Pace) -> None:
        self._answer = answer
        self._idle = idle.total_seconds()
        self._pace = pace

    @property
    def status(self) -> int:
        """The status."""
        return self._answer.status

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """The headers."""
        return self._answer.headers

    @property
    def url(self) -> URL:
        """Where the answer came from."""
        return self._answer.url

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Give the body, at most 256 KiB at a time. Raises RemoteError, also for a body that is cut."""
        while chunk := await self._receive():
            yield chunk

    async def decoded(self, count: Callable[[int], None]) -> AsyncGenerator[bytes, None]:
        """Give the body as it was before ``Content-Encoding: gzip``, where it has that, 256 KiB at a time.

        ``count`` is called with the bytes of each piece that comes. Raises AnswerMalformed for what is no
        gzip, and what ``chunks`` raises.
        """
        is_packed = self._answer.headers.get("Content-Encoding", "").lower() in ("gzip", "x-gzip")
        inflate = isal_zlib.decompressobj(_GZIP) if is_packed else None
        async with aclosing(self.chunks()) as chunks:
            async for chunk in chunks:
                count(len(chunk))
                if inflate is None:
                    yield chunk
                is_more = inflate is not None
                while inflate is not None and is_more:
                    piece, chunk = self._inflated(inflate, chunk)  # noqa: PLW2901  # what is left of it
                    is_more = bool(chunk) or len(piece) == CHUNK
                    if piece:
                        yield piece
                    await asyncio.sleep(0)  # much may come of a little, and others want the loop too
        if inflate is not None and not inflate.eof:
            raise AnswerMalformed(self.url, "its gzip has no end")

    def _inflated(self, inflate: isal_zlib.Decompress, chunk: bytes) -> tuple[bytes, bytes]:
        """Inflate 256 KiB at most; give them, and what is left of ``chunk``."""
        if inflate.eof and chunk:
            raise AnswerMalformed(self.url, "its gzip goes on after its end")
        try:
            piece = inflate.decompress(chunk, CHUNK)
        except isal_zlib.IsalError:  # type: ignore[misc]  # isal's stub calls it an instance
            raise AnswerMalformed(self.url, "its gzip is damaged") from None
        return piece, inflate.unconsumed_tail or inflate.unused_data

    async def whole(self, most: int) -> bytes:
        """Give the body at once. Raises AnswerTooLarge after ``most`` bytes, and what ``chunks`` raises."""
        body = bytearray()
        async with aclosing(self.chunks()) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > most:
                    raise AnswerTooLarge(self.url, most)
        return bytes(body)

    async def excerpt(self) -> bytes:
        """Give the beginning of the body instead: 4 KiB at most, or what comes within 5 seconds."""
        return await read_excerpt(self._answer)

    async def _receive(self) -> bytes:
        with translate_errors(self._answer.url):
            async with asyncio.timeout(self._idle):
                self._pace.begin()
                chunk = await self._answer.content.read(CHUNK)
        self._pace.end(len(chunk))
        return chunk
