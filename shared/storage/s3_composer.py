"""Composes one object on S3: parts that S3 copies, and between them parts that are sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing

from shared.storage.base import Composed, check_key
from shared.storage.composition import (
    ComposedPart,
    CopiedPart,
    ObjectRange,
    PartLimits,
    PartPlanner,
    Piece,
    SentPart,
    length_of,
    spans,
)
from shared.storage.s3_bucket import S3Bucket, S3Config
from shared.storage.s3_part import Part
from shared.storage.s3_part_sizes import MIN_PART
from shared.storage.s3_presigned import S3Presigned
from shared.storage.s3_reader import S3Reader
from shared.storage.s3_upload import S3Upload

LONGEST_COPY = 2**30
"""Bytes that S3 copies by one request. It takes 5 GiB, but a server is silent while it copies."""

_GAP = 64 * 1024
"""Bytes between two ranges that are read and thrown away, rather than to send another request."""


class S3Composer:
    """Composes one object. Holds a part of the first size, and as many bytes that were read for it."""

    def __init__(self, bucket: S3Bucket, presigned: S3Presigned, key: str, *, size: int) -> None:
        self._bucket = bucket
        self._presigned = presigned
        self._upload = S3Upload(bucket, presigned, key)
        self._limits = limits_of(bucket.config)
        self._planner = PartPlanner(self._limits, size=size)
        self._part = Part()
        self._copied = self._sent = 0

    async def compose(self, pieces: AsyncIterator[Piece]) -> Composed:
        """See ObjectStore. Called once."""
        async with self._upload as upload:
            async for piece in pieces:
                await self._take(self._planner.add(piece))
            await self._take(self._planner.finish())
            size = self._copied + self._sent
            await upload.commit(self._part, size=size)
        return Composed(size, self._sent)

    async def _take(self, parts: Iterable[ComposedPart]) -> None:
        """Begin each part. One that is sent is held until the next comes: an object may have no other."""
        for part in parts:
            if len(self._part):
                await self._upload.send(self._taken)
            if isinstance(part, CopiedPart):
                check_key(part.source.key)
                self._copied += part.source.length
                await self._upload.copy(part.source)
            else:
                await self._fill(part)

    async def _fill(self, part: SentPart) -> None:
        """Gather the bytes of a part; short ranges that lie close together are read by one request."""
        ranges = [piece for piece in part.pieces if isinstance(piece, ObjectRange)]
        wanted = iter(spans(ranges, gap=_GAP, longest=self._limits.longest_sent))
        span, data = ObjectRange("", 0, 0), b""
        for piece in part.pieces:
            self._sent += length_of(piece)
            if isinstance(piece, bytes):
                self._part.append(memoryview(piece))
                continue
            if not _covers(span, piece):
                span = next(each for each in wanted if _covers(each, piece))
                data = await self._read(span)
            # A copy, so that no part holds what lies between its pieces.
            first = piece.position - span.position
            self._part.append(memoryview(data[first : first + piece.length]))

    async def _read(self, span: ObjectRange) -> bytes:
        key = check_key(span.key)
        reader = S3Reader(self._bucket, self._presigned, key, start=span.position, length=span.length)
        async with aclosing(reader.chunks()) as chunks:
            return b"".join([chunk async for chunk in chunks])

    def _taken(self) -> Part:
        part, self._part = self._part, Part()
        return part


def _covers(span: ObjectRange, piece: ObjectRange) -> bool:
    is_within = span.position <= piece.position and piece.end <= span.end
    return span.key == piece.key and is_within


def limits_of(config: S3Config) -> PartLimits:
    """Give the limits of parts: what is sent has the size of the first parts of other objects, or less."""
    return PartLimits(
        least=MIN_PART,
        longest_sent=min(config.parts.first, LONGEST_COPY // 2),
        longest_copied=LONGEST_COPY,
        most=config.parts.most,
    )
