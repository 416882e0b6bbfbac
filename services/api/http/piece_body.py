"""The body of a request whose bytes are kept, also where it is cut or broken off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiohttp import ClientError, web

from services.api.http.bodies import undecoded_chunks
from shared.errors import TimedOut
from shared.uploads.models import UploadBusy

_CUT = (ConnectionError, ClientError, TimedOut, web.RequestPayloadError)


class RequestPiece:
    """A PieceBody: it ends without an error, which ``error`` has then.

    Raises EncodingUnsupported at once for a body with an encoding.
    """

    def __init__(self, request: web.Request) -> None:
        self._chunks = undecoded_chunks(request)
        self._reading: asyncio.Timeout | None = None
        self._is_broken_off = False
        self.error: Exception | None = None

    @property
    def is_whole(self) -> bool:
        """See PieceBody."""
        return self.error is None

    def break_off(self) -> None:
        """See PieceBody."""
        self._is_broken_off = True
        if self._reading is not None and not self._reading.expired():
            self._reading.reschedule(0)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """See PieceBody."""
        while chunk := await self._receive():
            yield chunk

    async def _receive(self) -> bytes:
        if self._is_broken_off:
            return self._end(UploadBusy("a later request goes on with the upload"))
        try:
            async with asyncio.timeout(None) as self._reading:
                return await anext(self._chunks, b"")
        except TimeoutError:
            return self._end(UploadBusy("a later request goes on with the upload"))
        except _CUT as error:
            return self._end(error)
        finally:
            self._reading = None

    def _end(self, error: Exception) -> bytes:
        self.error = error
        return b""
