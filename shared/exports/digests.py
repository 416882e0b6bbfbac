"""Takes the digest of an archive, or of a part of it, beside whoever reads that whole."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing


async def hash_beside(
    pieces: AsyncGenerator[bytes, None],
    size: int,
    *,
    record: Callable[[bytes], Awaitable[None]],
    algorithm: str = "sha256",
) -> AsyncGenerator[bytes, None]:
    """Give the pieces, which are ``size`` bytes together, and ``record`` their SHA-256 or another digest.

    Each piece is hashed on a thread while the caller uses it, and no other one meanwhile. The digest is
    recorded before the last piece is given: who has all of them finds it. Left early, nothing is recorded.
    """
    digest = hashlib.new(algorithm, usedforsecurity=False)
    hash_piece = asyncio.get_running_loop().run_in_executor
    missing = size
    async with aclosing(pieces):
        async for piece in pieces:
            hashing = hash_piece(None, digest.update, piece)
            missing -= len(piece)
            if not missing:
                await hashing
                await record(digest.digest())
            try:
                yield piece
            finally:
                await hashing
