"""Writes what a place keeps, encrypted where there are recipients, and reads it again."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from shared.age.keys import Identities, Recipients
from shared.age.streams import decrypt, encrypt
from shared.storage.base import ObjectStore, ObjectWriter

ENCRYPTED = ".age"
"""The end of the key of what is an age file."""

_WAITING = 4
"""Pieces that wait to be encrypted, each as long as it was given."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What lies in the place: its bytes, and their SHA-256 in hexadecimal."""

    bytes: int
    sha256: str


class KeptWriter(Protocol):
    """Writes one object of a place."""

    async def write(self, data: bytes) -> None:
        """Take the next bytes, as they are. Raises StorageError."""

    async def commit(self) -> Stored:
        """Make the object visible. Raises StorageError."""


@asynccontextmanager
async def create_object(
    store: ObjectStore, key: str, recipients: Recipients = ()
) -> AsyncIterator[KeptWriter]:
    """Give the writer of an object, which is not there unless it is committed within the block.

    With recipients it is an age file, for these. Memory: as the store's writer, and some 2 MiB to encrypt.
    """
    async with store.create(key) as writer:
        if not recipients:
            yield _PlainWriter(writer)
            return
        encrypting = _EncryptingWriter(writer, recipients)
        try:
            yield encrypting
        finally:
            await encrypting.close()


def read_object(store: ObjectStore, key: str, identities: Identities = ()) -> AsyncGenerator[bytes, None]:
    """Give what an object has, decrypted where its key says that it is an age file.

    Raises StorageError, NotDecrypted, and EncryptedDamaged, at the end at the latest.
    """
    if not key.endswith(ENCRYPTED):
        return store.read(key)
    return _decrypted(store, key, identities)


async def _decrypted(store: ObjectStore, key: str, identities: Identities) -> AsyncGenerator[bytes, None]:
    async with (
        aclosing(store.read(key)) as pieces,
        aclosing(decrypt(pieces, identities)) as decrypted,
    ):
        async for piece in decrypted:
            yield piece


class _PlainWriter:
    def __init__(self, writer: ObjectWriter) -> None:
        self._writer = writer
        self._digest = hashlib.sha256()

    async def write(self, data: bytes) -> None:
        self._digest.update(data)
        await self._writer.write(data)

    async def commit(self) -> Stored:
        return Stored(await self._writer.commit(), self._digest.hexdigest())


class _EncryptingWriter:
    """Hands bytes over to a task, which encrypts and writes them."""

    def __init__(self, writer: ObjectWriter, recipients: Recipients) -> None:
        self._plain = _PlainWriter(writer)
        self._pieces = asyncio.Queue[bytes | None](_WAITING)
        self._work = asyncio.create_task(self._run(recipients))

    async def write(self, data: bytes) -> None:
        await self._put(data)

    async def commit(self) -> Stored:
        await self._put(None)
        await self._work
        return await self._plain.commit()

    async def close(self) -> None:
        """End the task, if it has not ended; the object is not committed then."""
        self._work.cancel()
        await asyncio.wait([self._work])

    async def _put(self, piece: bytes | None) -> None:
        """Hand a piece over. Raises what the task has ended with: nobody takes a piece any more."""
        putting = asyncio.ensure_future(self._pieces.put(piece))
        try:
            await asyncio.wait([putting, self._work], return_when=asyncio.FIRST_COMPLETED)
        finally:
            is_taken = putting.done()
            putting.cancel()
        if not is_taken:
            await self._work

    async def _run(self, recipients: Recipients) -> None:
        async with aclosing(encrypt(self._given(), recipients)) as pieces:
            async for piece in pieces:
                await self._plain.write(piece)

    async def _given(self) -> AsyncIterator[bytes]:
        while (piece := await self._pieces.get()) is not None:
            yield piece
