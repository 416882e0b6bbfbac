"""Observes object storage: the duration, bytes and end of each operation."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack, aclosing
from datetime import timedelta
from typing import Protocol, Self

from shared.storage.base import Composed, ObjectInfo, ObjectStore, ObjectWriter
from shared.storage.composition import Piece
from shared.storage.direct import DirectWrites

CountBytes = Callable[[int], None]
"""Called with the number of bytes that this process has just read or written."""


class Watch(Protocol):
    """Observes one operation by a block, which ends as the operation does.

    The block may be left in another task or context than it was entered in.
    """

    def __call__(self, operation: str) -> AbstractContextManager[CountBytes]:
        """Open the block; ``operation`` is the name of the operation in metrics and spans."""


class ObservedStore:
    """ObjectStore that passes every call on to ``store``, and has it observed."""

    def __init__(self, store: ObjectStore, watch: Watch) -> None:
        self._store = store
        self._watch = watch

    def create(self, key: str) -> ObjectWriter:
        """See ObjectStore."""
        return _ObservedWriter(self._store.create(key), self._watch)

    async def read(
        self, key: str, *, start: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """See ObjectStore."""
        with self._watch("read") as moved:
            async with aclosing(self._store.read(key, start=start, length=length)) as chunks:
                async for chunk in chunks:
                    moved(len(chunk))
                    yield chunk

    async def compose(self, key: str, pieces: AsyncIterator[Piece], *, size: int) -> Composed:
        """See ObjectStore; bytes that the store copies are not counted."""
        with self._watch("compose") as moved:
            composed = await self._store.compose(key, pieces, size=size)
            moved(composed.sent)
            return composed

    async def stat(self, key: str) -> ObjectInfo:
        """See ObjectStore."""
        with self._watch("stat"):
            return await self._store.stat(key)

    async def presign(
        self, key: str, *, method: str, valid: timedelta, headers: Mapping[str, str]
    ) -> str | None:
        """See ObjectStore."""
        with self._watch("presign"):
            return await self._store.presign(key, method=method, valid=valid, headers=headers)

    @property
    def direct(self) -> DirectWrites | None:
        """See ObjectStore; what others write is not observed."""
        return self._store.direct

    async def delete(self, keys: Iterable[str]) -> None:
        """See ObjectStore."""
        with self._watch("delete"):
            await self._store.delete(keys)

    async def list(self, prefix: str = "") -> AsyncGenerator[ObjectInfo, None]:
        """See ObjectStore."""
        with self._watch("list"):
            async with aclosing(self._store.list(prefix)) as found:
                async for info in found:
                    yield info

    async def abort_uploads(self, *, older_than: timedelta) -> int:
        """See ObjectStore."""
        # The label that dashboards and alerts know, older than the method's name.
        with self._watch("abandon_uploads"):
            return await self._store.abort_uploads(older_than=older_than)

    async def abort_uploads_of(self, key: str) -> int:
        """See ObjectStore."""
        with self._watch("abort_uploads_of"):
            return await self._store.abort_uploads_of(key)

    async def check(self) -> None:
        """See ObjectStore."""
        with self._watch("check"):
            await self._store.check()


class _ObservedWriter:
    """ObjectWriter; from entering to leaving it is one operation."""

    def __init__(self, writer: ObjectWriter, watch: Watch) -> None:
        self._writer = writer
        self._watch = watch
        self._watching = ExitStack()
        self._moved: CountBytes = _nothing

    async def __aenter__(self) -> Self:
        self._moved = self._watching.enter_context(self._watch("write"))
        await self._writer.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        try:
            await self._writer.__aexit__(*exc)
        finally:
            self._watching.__exit__(*exc)  # type: ignore[arg-type]  # the three, as they came

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """See ObjectWriter."""
        await self._writer.write(data)
        self._moved(memoryview(data).nbytes)

    @property
    def crc32s(self) -> bytes:
        """See ObjectWriter."""
        return self._writer.crc32s

    async def commit(self) -> int:
        """See ObjectWriter."""
        return await self._writer.commit()

    async def abort(self) -> None:
        """See ObjectWriter."""
        await self._writer.abort()


def _nothing(_count: int) -> None:
    """Count nothing: a writer that was not entered is not observed."""
