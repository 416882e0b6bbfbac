"""An HTTP client for addresses that users give: HEAD, documents, downloads that resume, uploads."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from aiohttp import ClientResponse
from multidict import CIMultiDictProxy
from yarl import URL

from shared.remote.addresses import Policy
from shared.remote.connections import KeptConnections
from shared.remote.document import RemoteDocument
from shared.remote.download import RemoteDownload
from shared.remote.errors import AnswerEarly, RedirectRefused
from shared.remote.exchange import Exchange, read_excerpt, translate_errors
from shared.remote.gate import Gate
from shared.remote.pace import LeastRate, Pace
from shared.remote.redirects import REDIRECTS, Redirects
from shared.remote.resolver import Resolver
from shared.remote.stream import RemoteStream
from shared.remote.upload import UploadBody

_HEAD_DEADLINE = timedelta(seconds=1)
"""GitLab's deadline."""
_OK = range(200, 300)


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a remote may take.

    ``opening`` is for the connection, ``idle`` for the next bytes that it sends or accepts, ``answer`` for
    the answer to a body that was sent.
    """

    opening: timedelta = timedelta(seconds=10)
    idle: timedelta = timedelta(seconds=60)
    answer: timedelta = timedelta(minutes=5)
    least: LeastRate = field(default_factory=LeastRate)


@dataclass(frozen=True, slots=True)
class RemoteHead:
    """The answer to a HEAD request, whatever its status; ``content_length`` is None where it is missing."""

    status: int
    headers: CIMultiDictProxy[str] = field(repr=False)
    content_length: int | None
    content_type: str | None
    """As it was sent, with parameters."""


@dataclass(frozen=True, slots=True)
class RemoteAnswer:
    """The answer to a request with a body; ``excerpt`` is the beginning of the answer's body."""

    status: int
    reason: str
    headers: CIMultiDictProxy[str] = field(repr=False)
    excerpt: bytes


class RemoteClient:
    """Sends requests that one policy permits. It holds no resources: make one for each policy.

    ``keeping`` gives one that holds connections for a block.
    Every URL is checked first, and again at each redirect. All methods raise BlockedUrl and RemoteError.
    Certificates are verified by ``tls``, or by the system's store.
    """

    def __init__(
        self,
        policy: Policy,
        resolver: Resolver,
        *,
        tls: ssl.SSLContext | None = None,
        deadlines: Deadlines | None = None,
        kept: KeptConnections | None = None,
    ) -> None:
        self._gate = Gate(policy, resolver)
        self._deadlines = deadlines or Deadlines()
        self._exchange = Exchange(tls, self._deadlines.opening, kept)
        self._redirects = Redirects(self._gate, self._exchange)
        self._like_this = partial(RemoteClient, policy, resolver, tls=tls, deadlines=deadlines)

    @asynccontextmanager
    async def keeping(self) -> AsyncIterator[RemoteClient]:
        """Give a client for a block that keeps connections: one each for 4 servers, for 4 seconds at most.

        Each request is checked all the same, and goes by one of them only where the addresses are the same.
        """
        kept = KeptConnections()
        try:
            yield self._like_this(kept=kept)
        finally:
            await kept.close()

    def parse(self, url: str) -> URL:
        """Parse a URL as requests do, without resolving its host. Raises BlockedUrl."""
        return self._gate.parse(url)

    async def check(self, url: str) -> None:
        """Check whether a request to ``url`` is permitted now, without sending one."""
        await self._gate.check(url)

    async def head(self, url: str, *, deadline: timedelta = _HEAD_DEADLINE) -> RemoteHead:
        """Send a HEAD request; redirects and name servers count towards ``deadline``."""
        target = await self._gate.check(url)
        with translate_errors(target.url):
            asked = self._redirects.follow("HEAD", target, headers={}, secrets={})
            async with asyncio.timeout(deadline.total_seconds()), asked as answer:
                content_type = answer.headers.get("Content-Type")
                return RemoteHead(answer.status, answer.headers, answer.content_length, content_type)

    async def read(
        self, url: str, *, headers: Mapping[str, str], secrets: Mapping[str, str], most: int
    ) -> RemoteDocument:
        """Give the whole answer to a GET request, whatever its status. Raises AnswerTooLarge, TooSlow.

        At most ``most`` bytes of it are taken. ``secrets`` are headers for the origin of ``url`` only.
        """
        target = await self._gate.check(url)
        idle, pace = self._deadlines.idle, Pace(self._deadlines.least, target.url)
        asked = self._redirects.follow("GET", target, headers=headers, secrets=secrets)
        async with AsyncExitStack() as stack:
            with translate_errors(target.url):
                async with asyncio.timeout(idle.total_seconds()):
                    answer = await stack.enter_async_context(asked)
            body = await RemoteStream(answer, idle=idle, pace=pace).whole(most)
            return RemoteDocument(answer.status, answer.headers, body)

    @asynccontextmanager
    async def get(
        self, url: str, *, start: int = 0, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[RemoteDownload]:
        """Begin a download at byte ``start``. Raises StatusRefused where the answer is not the file.

        ``headers`` (such as Authorization) are sent to the origin of ``url`` only.
        """
        target = await self._gate.check(url)
        ask = partial(self._redirects.follow, "GET", target, secrets=headers or {})
        pace = Pace(self._deadlines.least, target.url)
        download = RemoteDownload(ask, target.url, start=start, idle=self._deadlines.idle, pace=pace)
        try:
            await download.open()
            yield download
        finally:
            await download.close()

    async def send(
        self, method: str, url: str, *, headers: Mapping[str, str], body: AsyncIterator[bytes], length: int
    ) -> RemoteAnswer:
        """Send ``length`` bytes by PUT or POST, once, with Content-Length and never chunked.

        Gives the answer whatever its status, also one that comes before the end of the body; the rest of
        ``body`` is not read then. A redirect raises RedirectRefused. Exceptions of ``body`` pass through.
        Raises LengthWrong where ``body`` has another length.
        """
        async with self._sent(method, url, headers=headers, body=body, length=length) as answer:
            excerpt = await read_excerpt(answer)
            return RemoteAnswer(answer.status, answer.reason or "", answer.headers, excerpt)

    async def submit(  # a request and its bound
        self, url: str, *, headers: Mapping[str, str], body: AsyncIterator[bytes], length: int, most: int
    ) -> RemoteDocument:
        """Send ``length`` bytes by POST as ``send`` does, and give the whole answer. Raises AnswerTooLarge.

        At most ``most`` bytes of the answer are taken.
        """
        async with self._sent("POST", url, headers=headers, body=body, length=length) as answer:
            pace = Pace(self._deadlines.least, answer.url)
            told = await RemoteStream(answer, idle=self._deadlines.idle, pace=pace).whole(most)
            return RemoteDocument(answer.status, answer.headers, told)

    @asynccontextmanager
    async def ask(
        self, url: str, *, headers: Mapping[str, str], secrets: Mapping[str, str], body: bytes | None = None
    ) -> AsyncIterator[RemoteStream]:
        """Give the answer to a GET, or to a POST of ``body``, whatever its status; its body streams.

        A GET follows redirects, and ``secrets``, which are headers, go to the origin of ``url`` only; where a
        POST is redirected, it raises RedirectRefused.
        """
        limits = self._deadlines
        if body is None:
            target = await self._gate.check(url)
            asked = self._redirects.follow("GET", target, headers=headers, secrets=secrets)
        else:
            every = {**headers, **secrets}
            asked = self._sent("POST", url, headers=every, body=_once(body), length=len(body))
        async with AsyncExitStack() as stack:
            with translate_errors(URL(url)):
                async with asyncio.timeout((limits.opening + limits.answer).total_seconds()):
                    answer = await stack.enter_async_context(asked)
            yield RemoteStream(answer, idle=limits.idle, pace=Pace(limits.least, answer.url))

    @asynccontextmanager
    async def _sent(
        self, method: str, url: str, *, headers: Mapping[str, str], body: AsyncIterator[bytes], length: int
    ) -> AsyncIterator[ClientResponse]:
        """Send a body, and give the answer."""
        target = await self._gate.check(url)
        limits = self._deadlines
        pace = Pace(limits.least, target.url)
        upload = UploadBody(
            body, target.url, length=length, pace=pace, idle=limits.idle, answer=limits.answer
        )
        own = {**headers, **target.authorization, "Content-Length": str(length)}
        async with upload.wait_for_source():
            with translate_errors(target.url):
                sent = self._exchange.request(method, target, headers=own, body=upload.chunks())
                async with upload.deadline(limits.opening), sent as answer:
                    upload.stop()
                    _check(answer, target.url, complete=upload.complete)
                    yield answer


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _check(answer: ClientResponse, url: URL, *, complete: bool) -> None:
    if answer.status in REDIRECTS:
        raise RedirectRefused(url, answer.status, "a body is not sent elsewhere")
    if answer.status in _OK and not complete:
        raise AnswerEarly(url, answer.status)
