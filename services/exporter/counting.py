"""Counts what an upload has sent."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from shared.jobs.progress import Progress


async def count_pieces(
    pieces: AsyncGenerator[bytes, None], progress: Progress
) -> AsyncGenerator[bytes, None]:
    """Yield the pieces, and count each once the next one is requested."""
    async for piece in pieces:
        yield piece
        progress.bytes_done += len(piece)
