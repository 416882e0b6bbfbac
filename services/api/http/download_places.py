"""The places of downloads. The connections that read the same file for the same holder share one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from aiohttp import web

from services.api.http.places import ApiPlaces
from shared.admission import Holder, ShareUsed


@dataclass(slots=True)
class _File:
    """A file that a holder reads: the connections that read it or wait, and whether it has its place."""

    connections: int = 0
    has_place: bool = False
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class DownloadPlaces:
    """Gives the first connection for a file the place of a download, and the others a place of ``ranges``.

    So a user who reads a file by several ranges uses up one place, and the connections to the storage stay
    bounded: they are at most as many as the places of both kinds. ``most`` connections may read a file.
    """

    def __init__(self, places: ApiPlaces, *, most: int) -> None:
        self._downloads = places.downloads
        self._ranges = places.ranges
        self._limits = replace(places.ranges.limits, share=most, total=most)
        self._files: dict[tuple[Holder, str], _File] = {}

    @asynccontextmanager
    async def hold(self, holder: Holder, file: str) -> AsyncIterator[None]:
        """Wait for a place for one connection that reads ``file``, and hold it for the block.

        Connections for the same file wait one after another: each may wait as long as a place's patience.
        Raises ShareUsed and PlacesTaken.
        """
        opened = self._files.setdefault((holder, file), _File())
        if opened.connections >= self._limits.share:
            raise ShareUsed(self._limits)
        opened.connections += 1
        try:
            async with self._connection(holder, opened):
                yield
        finally:
            opened.connections -= 1
            if not opened.connections:
                del self._files[holder, file]
                if opened.has_place:
                    self._downloads.release(holder)

    @asynccontextmanager
    async def _connection(self, holder: Holder, opened: _File) -> AsyncIterator[None]:
        async with opened.asking:
            is_further = opened.has_place
            await (self._ranges if is_further else self._downloads).take(holder)
            opened.has_place = True
        try:
            yield
        finally:
            if is_further:
                self._ranges.release(holder)


DOWNLOADS = web.AppKey("downloads", DownloadPlaces)
