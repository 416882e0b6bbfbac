"""Reads a range of one object from S3, across broken connections."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from typing import Protocol

import structlog
from multidict import CIMultiDict

from shared.storage.base import bytes_in_range
from shared.storage.errors import OperationFailed, OperationRefused
from shared.storage.s3_bucket import S3Bucket, translate_errors
from shared.storage.s3_presigned import S3Presigned

CHUNK = 256 * 1024
_BREAKS = 5
"""Breaks in a row, without a byte between them, that a read survives."""
_FIRST_PAUSE = 0.1
_TOTAL = re.compile(r"bytes \d+-\d+/(\d+)")

_log = structlog.get_logger()


class _Body(Protocol):
    async def read(self, size: int, /) -> bytes: ...


class _Closable(Protocol):
    def close(self) -> None: ...


class S3Reader:
    """Reads the bytes of one range, in order.

    After a broken connection it requests the rest from the byte reached, of the same version of the object
    only (``If-Match``).
    """

    def __init__(
        self, bucket: S3Bucket, presigned: S3Presigned, key: str, *, start: int, length: int | None
    ) -> None:
        self._bucket = bucket
        self._presigned = presigned
        self._key = key
        self._start = self._offset = start
        self._length = length
        self._end: int | None = None  # unknown before the first answer
        self._etag: str | None = None
        self._answer: _Closable | None = None
        self._body: _Body | None = None
        self._breaks = 0

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Give the bytes, at most 256 KiB at a time. Called once; closed when left early."""
        try:
            while chunk := await self._chunk():
                yield chunk
        finally:
            self._close()

    async def _chunk(self) -> bytes:
        """Give the next bytes, or ``b""`` at the end of the range."""
        while self._offset != self._end:
            if self._body is None:
                await self._ask()
                continue
            try:
                return await self._receive(self._body)
            except OperationFailed as error:
                await self._pause(error)
        return b""

    def _close(self) -> None:
        """Close the response; its connection is closed too where bytes are still to come."""
        if self._answer is not None:
            self._answer.close()
            self._answer = self._body = None

    async def _ask(self) -> None:
        """Send the GET from the byte reached; the first answer tells how long the object is."""
        if self._start < 0 or (self._length is not None and self._length <= 0):
            await self._measure()  # HTTP has no such range
            return
        conditions = self._conditions()
        answer = await self._presigned.get_object(self._key, conditions)
        if answer is not None:
            self._begin(answer, answer.content, answer.headers, ranged="Range" in conditions)
            return
        named = {name.replace("-", ""): value for name, value in conditions.items()}
        try:
            told = await self._bucket.call_object("get_object", self._key, **named)
        except OperationRefused as error:
            if error.cause != "InvalidRange":  # begins at the end or past it
                raise
            await self._measure()
            return
        headers = told["ResponseMetadata"]["HTTPHeaders"]
        self._begin(told["Body"], told["Body"], headers, ranged="Range" in conditions)

    def _begin(self, answer: _Closable, body: _Body, headers: Mapping[str, str], *, ranged: bool) -> None:
        self._answer, self._body = answer, body
        known = CIMultiDict(headers)
        self._etag = self._header(known, "ETag")
        self._learn(self._total(known, ranged=ranged))

    def _conditions(self) -> dict[str, str]:
        conditions = {}
        if self._offset > 0 or self._length is not None:
            last = "" if self._length is None else self._start + self._length - 1
            conditions["Range"] = f"bytes={self._offset}-{last}"
        if self._etag is not None:
            conditions["If-Match"] = self._etag
        return conditions

    async def _measure(self) -> None:
        self._learn((await self._bucket.call_object("head_object", self._key))["ContentLength"])

    def _learn(self, size: int) -> None:
        count = bytes_in_range(self._key, start=self._start, length=self._length, size=size)
        self._end = self._start + count

    def _total(self, headers: Mapping[str, str], *, ranged: bool) -> int:
        if not ranged:
            return int(self._header(headers, "Content-Length"))
        total = _TOTAL.fullmatch(headers.get("Content-Range", ""))
        if total is None:
            raise OperationRefused("get_object", self._key, reason="the store ignores ranges")
        return int(total[1])

    def _header(self, headers: Mapping[str, str], name: str) -> str:
        value = headers.get(name)
        if value is None:
            raise OperationRefused("get_object", self._key, reason=f"the answer has no {name}")
        return value

    async def _receive(self, body: _Body) -> bytes:
        with translate_errors("get_object", self._key):
            chunk = await body.read(CHUNK)
        if not chunk:
            raise OperationFailed("get_object", self._key, reason=f"ended at byte {self._offset}")
        self._offset += len(chunk)
        self._breaks = 0
        return chunk

    async def _pause(self, error: OperationFailed) -> None:
        self._close()
        self._breaks += 1
        if self._breaks > _BREAKS or not error.retryable:
            raise error
        _log.warning("read_resumed", key=self._key, offset=self._offset, error=str(error))
        await asyncio.sleep(_FIRST_PAUSE * 2**self._breaks)
