"""Writes the pieces of an upload: each is one object, and part of the upload once it is durable."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from itertools import accumulate

import structlog

from shared.database.outages import DATABASE_ERRORS
from shared.database.pool import Pool
from shared.database.prolonging import attempted, repeated
from shared.errors import StorageError
from shared.ledger import objects
from shared.ledger.objects import StoredObject
from shared.logs import describe
from shared.storage.base import ObjectStore
from shared.storage.composition import ObjectRange
from shared.uploads import store as uploads
from shared.uploads.models import (
    JOINED_AT_ONCE,
    MOST_PIECES,
    Checksum,
    ChecksumMismatch,
    Piece,
    PieceBody,
    Upload,
    UploadBusy,
    UploadTooLong,
)

LARGEST_PIECE = 256 * 1024 * 1024
"""The bytes after which a piece is committed, so that a process that dies loses no more."""

_SIGN_EVERY = timedelta(seconds=1)

_log = structlog.get_logger()


@asynccontextmanager
async def write_alone(pool: Pool, upload: Upload, body: PieceBody) -> AsyncIterator[None]:
    """Be the writer of an upload for a block; ``body`` is broken off where another request comes.

    Raises UploadBusy where another has come already.
    """
    if not await uploads.begin_writing(pool, upload):
        raise UploadBusy

    async def sign() -> None:
        if not await uploads.stay_writer(pool, upload):
            body.break_off()

    try:
        async with repeated(sign, every=_SIGN_EVERY, failure="upload_not_signed", upload_id=upload.id):
            yield
    finally:
        end = partial(uploads.end_writing, pool, upload)
        await asyncio.shield(attempted(end, failure="upload_not_released", upload_id=upload.id))


class PieceWriter:
    """Stores pieces of uploads, which are kept for the time ``kept`` after each of them."""

    def __init__(
        self, pool: Pool, store: ObjectStore, *, kept: timedelta, largest: int = LARGEST_PIECE
    ) -> None:
        self._pool = pool
        self._store = store
        self._kept = kept
        self._largest = largest

    async def receive(
        self, upload: Upload, body: PieceBody, *, most: int | None, checksum: Checksum | None
    ) -> Upload:
        """Store a body, also one that is cut, and give the upload as it is then. The caller is its writer.

        A cut one with a checksum is not stored. Raises ChecksumMismatch, and UploadTooLong where the upload
        would have over ``most`` bytes; earlier pieces of the same body stay.
        """
        chunks = aiter(body)
        while (first := await anext(chunks, None)) is not None:
            room = None if most is None else most - upload.received
            part = _Part(first, chunks, room=room, checksum=checksum, largest=self._largest)
            upload = await self._store_part(upload, part, body)
        return upload

    async def _store_part(self, upload: Upload, part: _Part, body: PieceBody) -> Upload:
        async with self._new_object() as named:
            async with self._store.create(named.key) as writer:
                async for chunk in part.bytes():
                    await writer.write(chunk)
                if part.has_checksum and not body.is_whole:
                    return upload
                part.check()
                size = await writer.commit()
            async with self._pool.acquire() as db, db.transaction():
                await objects.record_stored(db, named.id, size=size, sha256=part.sha256.digest())
                return await uploads.add_piece(db, upload, object_id=named.id, size=size, kept=self._kept)

    async def join(self, upload: Upload) -> None:
        """Join neighbours where there are many pieces, so that no list grows with the number of requests.

        The caller is the writer of the upload. Each join takes the 100 neighbours with the fewest bytes.
        """
        if await uploads.count_pieces(self._pool, upload.id) < MOST_PIECES:
            return
        pieces = _lightest(await uploads.find_pieces(self._pool, upload.id))
        size = sum(each.size for each in pieces)
        async with self._new_object() as named:
            await self._store.compose(named.key, _ranges(pieces), size=size)
            async with self._pool.acquire() as db, db.transaction():
                await objects.record_stored(db, named.id, size=size, sha256=None)
                await uploads.replace_pieces(db, upload, pieces, object_id=named.id, size=size)

    @asynccontextmanager
    async def _new_object(self) -> AsyncIterator[StoredObject]:
        """Register an object for a block, after which it goes unless a piece refers to it."""
        named = await objects.register(self._pool, kind="upload")
        try:
            async with objects.keep_touched(self._pool, named.id):
                yield named
        finally:
            # The shield lets the removal finish even if the request is cancelled.
            await asyncio.shield(self._collect(named))

    async def _collect(self, named: StoredObject) -> None:
        try:
            await objects.collect(self._pool, self._store, named, is_aborted=True)
        except (StorageError, *DATABASE_ERRORS) as error:
            _log.warning("discard_failed", key=named.key, error=describe(error))  # the collector tries again


class _Part:
    """The bytes of a body that become one piece, and their digests."""

    def __init__(
        self,
        first: bytes,
        chunks: AsyncIterator[bytes],
        *,
        room: int | None,
        checksum: Checksum | None,
        largest: int,
    ) -> None:
        self._first = first
        self._chunks = chunks
        self._room = room
        self._checksum = checksum
        self._largest = largest
        self._given = hashlib.new(checksum.algorithm, usedforsecurity=False) if checksum else None
        self.sha256 = hashlib.sha256()

    @property
    def has_checksum(self) -> bool:
        """Whether the client has sent a digest: then all bytes of the body are one piece."""
        return self._checksum is not None

    async def bytes(self) -> AsyncIterator[bytes]:
        """Give the bytes. Raises UploadTooLong where they are over the room."""
        size, chunk = 0, self._first
        while chunk:
            size += len(chunk)
            if self._room is not None and size > self._room:
                raise UploadTooLong
            self.sha256.update(chunk)
            if self._given:
                self._given.update(chunk)
            yield chunk
            chunk = b"" if self._ends(size) else await anext(self._chunks, b"")

    def _ends(self, size: int) -> bool:
        return size >= self._largest and not self.has_checksum

    def check(self) -> None:
        """Raise ChecksumMismatch unless the bytes have the digest that was sent, where one was."""
        if self._checksum and self._given and self._given.digest() != self._checksum.digest:
            raise ChecksumMismatch


def _lightest(pieces: Sequence[Piece]) -> Sequence[Piece]:
    """Return the neighbours that are joined: of all runs of 100 the one with the fewest bytes."""
    ends = list(accumulate((each.size for each in pieces), initial=0))
    begin = min(
        range(len(pieces) - JOINED_AT_ONCE + 1), key=lambda each: ends[each + JOINED_AT_ONCE] - ends[each]
    )
    return pieces[begin : begin + JOINED_AT_ONCE]


async def _ranges(pieces: Sequence[Piece]) -> AsyncIterator[ObjectRange]:
    for each in pieces:
        yield ObjectRange(each.key, 0, each.size)
