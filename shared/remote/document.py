"""An answer that is read whole into memory, whatever its status, up to a bound."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

from aiohttp import ClientResponse
from multidict import CIMultiDictProxy
from yarl import URL

from shared.remote.errors import AnswerTooLarge
from shared.remote.pace import Pace

_PIECE = 64 * 1024


@dataclass(frozen=True, slots=True)
class RemoteDocument:
    """The answer to a GET request; ``body`` is whole."""

    status: int
    headers: CIMultiDictProxy[str] = field(repr=False)
    body: bytes = field(repr=False)


async def read_document(
    answer: ClientResponse, url: URL, *, most: int, idle: timedelta, pace: Pace
) -> RemoteDocument:
    """Read the body of an answer. Raises AnswerTooLarge after ``most`` bytes, TooSlow, aiohttp's errors."""
    body = bytearray()
    while piece := await _receive(answer, idle, pace):
        body += piece
        if len(body) > most:
            raise AnswerTooLarge(url, most)
    return RemoteDocument(answer.status, answer.headers, bytes(body))


async def _receive(answer: ClientResponse, idle: timedelta, pace: Pace) -> bytes:
    pace.begin()
    async with asyncio.timeout(idle.total_seconds()):
        piece = await answer.content.read(_PIECE)
    pace.end(len(piece))
    return piece
