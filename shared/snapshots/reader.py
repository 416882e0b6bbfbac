"""The way to read a small run of stored bytes."""

from __future__ import annotations

from contextlib import aclosing

from shared.storage.base import ObjectStore
from shared.storage.composition import ObjectRange


async def read_run(store: ObjectStore, run: ObjectRange) -> bytes:
    """Give a run in one piece: for small ones."""
    async with aclosing(store.read(run.key, start=run.position, length=run.length)) as chunks:
        return b"".join([chunk async for chunk in chunks])
