"""The answer to a request, whatever its status, whose body is read once and as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta

from aiohttp import ClientResponse
from multidict import CIMultiDictProxy
from yarl import URL

from shared.remote.errors import AnswerTooLarge
from shared.remote.exchange import read_excerpt, translate_errors
from shared.remote.pace import Pace

CHUNK = 256 * 1024


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
