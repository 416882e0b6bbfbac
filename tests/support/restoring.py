"""Restores an archive as an import does, but keeps nothing: what the core alone does is left."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from typing import Any, cast

from shared.archive.budget import Budget
from shared.archive.limits import Limits
from shared.jobs.progress import Progress
from shared.restore.archive_events import archive_events
from shared.restore.event_loop import EventLoopYielder
from shared.restore.failures import Failure, LimitedFailures
from shared.restore.restorer import Restorer
from shared.segments.encoder import BlobEncoder
from shared.snapshots.body import NoBody
from shared.snapshots.pack import Pack
from shared.snapshots.rows import Rows
from shared.snapshots.sinks import PackedBlob, RelationSink


class _NoPack:
    """A pack that is only counted."""

    object_id = 1
    size = 0

    async def begin(self) -> None: ...

    async def append(self, data: bytes) -> None:
        self.size += len(data)


class _Writer:
    """Hashes and encodes as a snapshot does."""

    def __init__(self) -> None:
        self._pack = cast("Pack", _NoPack())
        self._rows = Rows(self._write)
        self._encoder = BlobEncoder()

    async def _write(self, **_: Any) -> None: ...

    async def directory(self, name: str, mtime: int) -> None: ...

    async def withdraw(self, name: str) -> None:
        await self._rows.withdraw(name)

    def relation(self, name: str, mtime: int) -> RelationSink:
        return RelationSink(name, mtime, pack=self._pack, rows=self._rows, body=NoBody())

    async def blob(self, name: str, mtime: int, *, size: int, sha256: bytes | None = None) -> PackedBlob:
        return PackedBlob(
            name, mtime, size=size, pack=self._pack, rows=self._rows, body=NoBody(), encoder=self._encoder
        )


class _Pieces:
    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        for piece in self._pieces:
            yield piece


async def _forget(_: Failure | str) -> None: ...


async def restore(pieces: Iterable[bytes], budget: Budget, *, limits: Limits | None = None) -> Progress:
    """Restore the archive. Raises ArchiveError."""
    limits, progress, yielder = limits or Limits(), Progress(), EventLoopYielder()
    restorer = Restorer(
        _Writer(),
        limits=limits,
        budget=budget,
        failures=LimitedFailures(_forget, _forget),
        progress=progress,
        yielder=yielder,
    )
    async for event in archive_events(
        _Pieces(pieces), limits, budget=budget, progress=progress, yielder=yielder
    ):
        await restorer.handle(event)
        await yielder.yield_if_due()
    await restorer.complete()
    return progress
