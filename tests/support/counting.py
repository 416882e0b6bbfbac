"""A store that tells of its reads, and can flip bits of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

from shared.storage.base import ObjectInfo
from shared.storage.filesystem import FilesystemStore


class CountingStore(FilesystemStore):
    """Files, with each read as (key, start, length), the keys that were asked for, and the bytes given."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.reads: list[tuple[str, int, int | None]] = []
        self.stats: list[str] = []
        self.bytes_read = 0

    async def read(
        self, key: str, *, start: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """See ObjectStore."""
        self.reads.append((key, start, length))
        async for chunk in super().read(key, start=start, length=length):
            self.bytes_read += len(chunk)
            yield chunk

    async def stat(self, key: str) -> ObjectInfo:
        """See ObjectStore."""
        self.stats.append(key)
        return await super().stat(key)


def flip(path: Path, position: int) -> None:
    """Flip one bit of a file."""
    with path.open("r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 1]))
