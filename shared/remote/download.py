"""A download that resumes after a break, where the server supports that and the file is unchanged."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import timedelta
from typing import Protocol

import structlog
from aiohttp import ClientResponse
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from shared.remote.errors import (
    AnswerMalformed,
    DownloadBroken,
    RemoteError,
    ResumeRefused,
    TooSlow,
    bad_status,
)
from shared.remote.exchange import read_excerpt, translate_errors
from shared.remote.pace import Pace
from shared.remote.reasons import reason_of
from shared.remote.waits import told_wait

CHUNK = 256 * 1024
_BREAKS = 5
"""Breaks in a row, without a byte between them, that a download survives."""
_FIRST_PAUSE = 0.1
_RANGE = re.compile(r"bytes (\d{1,19})-\d{1,19}/(?:(\d{1,19})|\*)")
_OK = 200
_PARTIAL = 206
_OUTSIDE = 416

_log = structlog.get_logger()


class DownloadRequest(Protocol):
    """Sends the GET request, with ``headers`` added."""

    def __call__(self, *, headers: Mapping[str, str]) -> AbstractAsyncContextManager[ClientResponse]:
        """Send it. Raises what ``Redirects.follow`` raises."""
        ...


class RemoteDownload:
    """The bytes of a file from ``start`` on, as they are on the wire; made by ``RemoteClient.get``.

    ``status``, ``headers`` and ``length`` are those of the first answer. ``length`` counts the bytes to come;
    it is None where the server does not say, and then the end of the body counts as the end of the file.
    """

    def __init__(self, ask: DownloadRequest, url: URL, *, start: int, idle: timedelta, pace: Pace) -> None:
        self._ask = ask
        self._url = url
        self._start = self._offset = start
        self._idle = idle.total_seconds()
        self._pace = pace
        self._end: int | None = None
        self._etag: str | None = None
        self._breaks = 0
        self._stack = AsyncExitStack()
        self._answer: ClientResponse | None = None
        self.status = 0
        self.headers: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())

    @property
    def length(self) -> int | None:
        """Bytes from ``start`` to the end; None where the server does not say."""
        return None if self._end is None else self._end - self._start

    async def open(self) -> None:
        """Send the first request. Raises StatusRefused, and what RemoteClient raises."""
        answer = await self._request()
        if answer.status != (_PARTIAL if self._start else _OK):
            raise await self._unusable(answer)
        self.status, self.headers = answer.status, answer.headers
        self._end = self._total(answer)
        etag = answer.headers.get("ETag", "")
        self._etag = etag if etag.startswith('"') else None  # weak ones do not promise the same bytes
        self._answer = answer

    async def close(self) -> None:
        """Close the response and its connection."""
        self._answer = None
        await self._stack.aclose()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Give the bytes in chunks of at most 256 KiB. Raises RemoteError."""
        while chunk := await self.chunk():
            yield chunk

    async def chunk(self) -> bytes:
        """Give the next bytes, at most 256 KiB, or ``b""`` at the end."""
        while self._offset != self._end:
            try:
                return await self._receive()
            except RemoteError as error:
                await self._mend(error)
        return b""

    async def _receive(self) -> bytes:
        answer = self._answer or await self._resume()
        if self._offset == self._end:
            return b""
        wanted = CHUNK if self._end is None else min(CHUNK, self._end - self._offset)
        with translate_errors(self._url):
            async with asyncio.timeout(self._idle):
                self._pace.begin()
                data = await answer.content.read(wanted)
        self._pace.end(len(data))
        if data:
            self._offset += len(data)
            self._breaks = 0
        elif self._end is not None:
            raise DownloadBroken(self._url, self._offset)
        else:
            self._end = self._offset
        return data

    async def _mend(self, error: RemoteError) -> None:
        """Wait before the next attempt, or raise ``error``."""
        await self.close()
        self._breaks += 1
        final = not error.retryable or isinstance(error, (ResumeRefused, TooSlow))
        if final or self._etag is None or self._breaks > _BREAKS:
            raise error
        _log.warning("download_resumed", url=error.url, offset=self._offset, error=str(error))
        await asyncio.sleep(_FIRST_PAUSE * 2**self._breaks)

    async def _resume(self) -> ClientResponse:
        """Request the rest of the same file. Raises ResumeRefused where the answer is not that."""
        answer = await self._request()
        if self._is_at_the_end(answer):
            self._end = self._offset
            return answer
        if answer.status not in (_OK, _PARTIAL):
            raise await self._unusable(answer)
        total = self._total(answer)
        same = answer.headers.get("ETag") == self._etag and (self._end is None or self._end == total)
        if (answer.status == _OK and self._offset) or not same:
            raise ResumeRefused(self._url, self._offset)
        self._end = total
        self._answer = answer
        return answer

    def _is_at_the_end(self, answer: ClientResponse) -> bool:
        """Tell whether the break came after the last byte: nothing is left to send (RFC 9110, 15.5.17)."""
        told = answer.headers.get("Content-Range", "")
        return self._end is None and answer.status == _OUTSIDE and told == f"bytes */{self._offset}"

    async def _request(self) -> ClientResponse:
        headers = {"Range": f"bytes={self._offset}-"} if self._offset else {}
        if self._etag is not None and self._offset:
            headers["If-Range"] = self._etag
        with translate_errors(self._url):
            async with asyncio.timeout(self._idle):
                return await self._stack.enter_async_context(self._ask(headers=headers))

    def _total(self, answer: ClientResponse) -> int | None:
        """Give the size of the whole file, where the answer says it."""
        if answer.status != _PARTIAL:
            return answer.content_length
        found = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != self._offset:
            raise AnswerMalformed(self._url, "another range than was asked for")
        return int(found[2]) if found[2] else None

    async def _unusable(self, answer: ClientResponse) -> RemoteError:
        if answer.status == _OK:
            return AnswerMalformed(self._url, "ranges are ignored")
        reason = reason_of(await read_excerpt(answer), self._url)
        return bad_status(self._url, answer.status, reason, wait=told_wait(answer.headers))
