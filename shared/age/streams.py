"""Encrypts and decrypts a stream in flat memory: on a thread of its own, with a bounded pipe behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import pyrage

from shared.age.errors import EncryptedDamaged, NotDecrypted
from shared.age.keys import Identities, Recipients
from shared.shielding import to_the_end

_PIECE = 256 * 1024
"""Bytes that leave at once, but at the end: what crosses between loop and thread costs some 100 us."""

_WAITING = 4
"""Pieces that wait for a slower reader."""

_SEAL_BROKEN = "MAC is invalid"
"""What pyrage says of a header that an identity opens, and that was changed since."""

T = TypeVar("T")


def encrypt(pieces: AsyncIterator[bytes], recipients: Recipients) -> AsyncGenerator[bytes, None]:
    """Give the age file of what ``pieces`` give, which one of the recipients can decrypt.

    Memory: a MiB, and one of the pieces. Close it (``aclosing``) when left early. Raises what ``pieces``
    raise.
    """
    return _through(pieces, partial(_encrypt, recipients=recipients))


def decrypt(pieces: AsyncIterator[bytes], identities: Identities) -> AsyncGenerator[bytes, None]:
    """Give what an age file has. Each piece was authenticated; that nothing is missing shows at the end.

    The same memory. Raises NotDecrypted, EncryptedDamaged and what ``pieces`` raise.
    """
    return _through(pieces, partial(_decrypt, identities=identities))


def _encrypt(pipe: _Pipe, *, recipients: Recipients) -> None:
    pyrage.encrypt_io(pipe, pipe, recipients)


def _decrypt(pipe: _Pipe, *, identities: Identities) -> None:
    try:
        pyrage.decrypt_io(pipe, pipe, identities)
    except pyrage.DecryptError as error:
        if _SEAL_BROKEN in str(error):
            raise EncryptedDamaged("the header of the encrypted file is damaged") from None
        raise NotDecrypted(f"the file cannot be decrypted: {error}") from None
    except OSError:
        raise EncryptedDamaged("the encrypted file is damaged or cut off") from None


class _Aborted(Exception):  # no error of anybody's
    """Nobody wants the rest."""


class _Pipe:
    """What a thread reads from and writes to, as the files that it knows."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self._loop = asyncio.get_running_loop()
        self._begun = memoryview(b"")
        self._gathered = bytearray()
        self._waiting: asyncio.Future[Any] | None = None
        self._is_aborted = False
        self.failure: BaseException | None = None
        """What the pieces ended with, which the thread knows by its text alone."""
        self.made = asyncio.Queue[bytes | None](_WAITING)

    # On the thread.

    def read(self, size: int = -1) -> bytes:
        """Give up to ``size`` bytes, none at the end."""
        while not self._begun:
            piece = self._ask(self._next())
            if piece is None:
                return b""
            self._begun = memoryview(piece)
        end = len(self._begun) if size < 0 else size
        taken, self._begun = self._begun[:end], self._begun[end:]
        return bytes(taken)

    def write(self, data: bytes) -> int:
        """Take bytes."""
        self._gathered += data
        if len(self._gathered) >= _PIECE:
            self._leave()
        return len(data)

    def flush(self) -> None:
        """Bytes leave when there are enough of them."""

    def run(self, work: Callable[[_Pipe], None]) -> None:
        """Do the work, and end the output whatever came of it."""
        try:
            work(self)
            self._leave()
        finally:
            self._ask(self._give(None))

    def _leave(self) -> None:
        left, self._gathered = bytes(self._gathered), bytearray()
        if left:
            self._ask(self._give(left))

    def _ask(self, wanted: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(wanted, self._loop).result()

    # On the loop.

    async def _next(self) -> bytes | None:
        try:
            return await self._wait(anext(self._pieces, None))
        except _Aborted:
            raise
        except BaseException as error:
            self.failure = error
            raise

    async def _give(self, piece: bytes | None) -> None:
        await self._wait(self.made.put(piece))

    async def _wait(self, wanted: Awaitable[T]) -> T:
        """Await what the thread waits for, unless nobody wants it any more."""
        task = asyncio.ensure_future(wanted)
        if self._is_aborted:
            task.cancel()
        self._waiting = task
        try:
            return await task
        except asyncio.CancelledError:
            raise _Aborted from None

    def abort(self) -> None:
        """Let the thread end at its next step, or at the one that it waits in."""
        self._is_aborted = True
        if self._waiting is not None:
            self._waiting.cancel()


async def _through(
    pieces: AsyncIterator[bytes], work: Callable[[_Pipe], None]
) -> AsyncGenerator[bytes, None]:
    pipe = _Pipe(pieces)
    # A thread of its own: those of the loop are few, and what waits here may wait for one of them.
    with ThreadPoolExecutor(1, "age") as thread:
        working = asyncio.get_running_loop().run_in_executor(thread, pipe.run, work)
        try:
            while (piece := await pipe.made.get()) is not None:
                yield piece
            await _end(pipe, working)
        finally:
            pipe.abort()
            await to_the_end(asyncio.wait([working]))
            working.exception()  # retrieved, or asyncio would report that it never was


async def _end(pipe: _Pipe, working: asyncio.Future[None]) -> None:
    """Raise what ended the work, or else what ended the pieces."""
    try:
        await working
    except Exception:
        if pipe.failure is not None:
            raise pipe.failure from None
        raise
