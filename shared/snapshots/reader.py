"""Stored runs, and the way to read a small one."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass

from shared.storage.base import ObjectStore


@dataclass(frozen=True, slots=True)
class Run:
    """``length`` stored bytes at ``position`` of the object ``key``."""

    key: str
    position: int
    length: int


async def read_run(store: ObjectStore, run: Run) -> bytes:
    """Give a run in one piece: for small ones."""
    async with aclosing(store.read(run.key, start=run.position, length=run.length)) as chunks:
        return b"".join([chunk async for chunk in chunks])
