"""A proxy in front of an S3 server that spoils single requests: an error, a body cut short, bytes lost."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from io import BytesIO

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

_HOP_BY_HOP = {"connection", "content-length", "expect", "keep-alive", "transfer-encoding"}
_INTERNAL_ERROR = "<Error><Code>InternalError</Code><Message>Try again.</Message></Error>"


class Spoil(Enum):
    """What happens to a request."""

    ERROR = "answered by 500, and not passed on"
    CUT = "the body of its answer breaks off in the middle, with the connection"
    SHORT = "its answer has half of the body, and says that this is all"
    LOSE = "answered as if its body were stored, and not passed on"
    DAMAGE = "passed on with another last byte of its body"
    FORGET = "passed on, and answered by 500"
    HIDE = "answered by 200 with the document of an error, and not passed on"


@dataclass(slots=True)
class SpoiledRequests:
    """The next ``times`` requests of a method whose path with its query has a word."""

    spoil: Spoil
    method: str
    word: str
    times: int = 1


@dataclass(slots=True)
class FaultyStore:
    """Passes requests on, but those of ``faults``; ``spoiled`` counts these. Bodies are held whole."""

    target: str
    session: aiohttp.ClientSession
    url: str = ""
    faults: list[SpoiledRequests] = field(default_factory=list)
    spoiled: int = 0

    def spoil(self, spoil: Spoil, method: str, word: str, *, times: int = 1) -> None:
        """Spoil requests from now on."""
        self.faults.append(SpoiledRequests(spoil, method, word, times))

    def heal(self) -> None:
        """Spoil no more requests."""
        self.faults.clear()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        body, fault = await request.read(), self._next_fault(request)
        if fault in {Spoil.ERROR, Spoil.HIDE}:
            status = 200 if fault is Spoil.HIDE else 500
            return web.Response(status=status, text=_INTERNAL_ERROR, content_type="application/xml")
        if fault is Spoil.LOSE:
            etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
            return web.Response(headers={"ETag": f'"{etag}"'})
        if fault is Spoil.DAMAGE:
            body = body[:-1] + bytes([body[-1] ^ 1])
        url = URL(f"{self.target}{request.raw_path}", encoded=True)
        async with self.session.request(
            request.method,
            url,
            headers=_passed(request.headers),
            data=BytesIO(body) if body else None,
            allow_redirects=False,
        ) as answer:
            return await _answer(request, answer, fault)

    def _next_fault(self, request: web.Request) -> Spoil | None:
        for each in self.faults:
            if each.times and each.method == request.method and each.word in request.raw_path:
                each.times -= 1
                self.spoiled += 1
                return each.spoil
        return None


async def _answer(
    request: web.Request, answer: aiohttp.ClientResponse, fault: Spoil | None
) -> web.StreamResponse:
    content, headers = await answer.read(), _passed(answer.headers)
    if request.method == "HEAD":
        headers["Content-Length"] = answer.headers.get("Content-Length", "0")
    if fault is Spoil.SHORT:
        content = content[: len(content) // 2]
    if fault is Spoil.FORGET:
        return web.Response(status=500)
    if fault is not Spoil.CUT:
        return web.Response(status=answer.status, headers=headers, body=content)
    response = web.StreamResponse(status=answer.status, headers=headers)
    response.content_length = len(content)
    await response.prepare(request)
    await response.write(content[: len(content) // 2])
    assert request.transport is not None
    request.transport.close()  # what was written is still sent
    return response


def _passed(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _HOP_BY_HOP}


@asynccontextmanager
async def faulty_store(target: str) -> AsyncIterator[FaultyStore]:
    """Run a FaultyStore in front of the S3 server at ``target``."""
    async with aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=["Content-Type"]) as session:
        store = FaultyStore(target, session)
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", store.handle)
        async with TestServer(app, host="127.0.0.1") as server:
            store.url = str(server.make_url("/")).rstrip("/")
            yield store
