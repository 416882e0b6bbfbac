"""A store in which something happens in the middle of an import."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine

from shared.shielding import to_the_end
from shared.storage.base import ObjectWriter
from shared.storage.filesystem import FilesystemStore
from tests.support.projects import Dock


class Interrupted(FilesystemStore):
    """A store in which something happens when an upload has been read up to its last byte but one.

    Or before an object is committed: that which was begun after ``commits`` others.
    """

    def __init__(
        self,
        dock: Dock,
        happens: Callable[[], Coroutine[object, object, None]],
        *,
        commits: int | None = None,
    ) -> None:
        super().__init__(dock.root)
        self._happens = happens
        self._commits = commits

    async def read(
        self, key: str, *, start: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """See ObjectStore."""
        if not key.startswith("uploads/"):
            async for chunk in super().read(key, start=start, length=length):
                yield chunk
            return
        data = b"".join([chunk async for chunk in super().read(key, start=start, length=length)])
        yield data[:-1]
        if self._commits is None:
            # An importer reads ahead: what it has read already may end it meanwhile.
            await to_the_end(self._happens())
        yield data[-1:]

    def create(self, key: str) -> ObjectWriter:  # type: ignore[override]  # a writer like another
        """See ObjectStore."""
        writer = super().create(key)
        if self._commits is not None:
            self._commits -= 1
            if self._commits == -1:
                commit = writer.commit

                async def late() -> int:
                    await self._happens()
                    return await commit()

                writer.commit = late  # type: ignore[method-assign]  # this one only
        return writer
