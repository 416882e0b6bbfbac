"""A client for the addresses that users give: HEAD, downloads that mend themselves, uploads."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from aiohttp import ClientError, ClientResponse
from multidict import CIMultiDictProxy
from yarl import URL

from shared.remote.addresses import Policy
from shared.remote.download import Download
from shared.remote.errors import AnswerEarly, RedirectRefused
from shared.remote.exchange import Exchange, translated
from shared.remote.gate import Gate
from shared.remote.redirects import REDIRECTS, Redirects
from shared.remote.resolver import Resolver
from shared.remote.upload import UploadBody

_HEAD_DEADLINE = timedelta(seconds=1)
"""GitLab's."""
_EXCERPT = 1024
_EXCERPT_DEADLINE = timedelta(seconds=5)
_OK = range(200, 300)


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a remote may take to be connected to, and may then be silent or take no byte."""

    opening: timedelta = timedelta(seconds=10)
    idle: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class RemoteHead:
    """The answer to HEAD, whatever its status; ``content_length`` is None where there is none."""

    status: int
    headers: CIMultiDictProxy[str] = field(repr=False)
    content_length: int | None
    content_type: str | None
    """As it was sent, with parameters."""


@dataclass(frozen=True, slots=True)
class RemoteAnswer:
    """The answer to a body that was sent; ``excerpt`` is at most the first KiB of its own."""

    status: int
    reason: str
    headers: CIMultiDictProxy[str] = field(repr=False)
    excerpt: bytes


class RemoteClient:
    """Asks and sends by one policy. It holds nothing open: make one wherever a policy comes from.

    Every URL is checked first, and again at each redirect. All methods raise BlockedUrl and
    RemoteError. Certificates are those of ``tls``, or the system's.
    """

    def __init__(
        self,
        policy: Policy,
        resolver: Resolver,
        *,
        tls: ssl.SSLContext | None = None,
        deadlines: Deadlines | None = None,
    ) -> None:
        self._gate = Gate(policy, resolver)
        self._deadlines = deadlines or Deadlines()
        self._exchange = Exchange(tls, self._deadlines.opening)
        self._redirects = Redirects(self._gate, self._exchange)

    async def check(self, url: str) -> None:
        """Look whether ``url`` may be asked now, without asking it."""
        await self._gate.check(url)

    async def head(self, url: str, *, deadline: timedelta = _HEAD_DEADLINE) -> RemoteHead:
        """Ask what there is; redirects, and name servers, count towards the ``deadline``."""
        target = await self._gate.check(url)
        with translated(target.url):
            asked = self._redirects.follow("HEAD", target, headers={}, secrets={})
            async with asyncio.timeout(deadline.total_seconds()), asked as answer:
                content_type = answer.headers.get("Content-Type")
                return RemoteHead(answer.status, answer.headers, answer.content_length, content_type)

    @asynccontextmanager
    async def get(
        self, url: str, *, start: int = 0, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[Download]:
        """Begin to download from byte ``start``. An answer without the file raises StatusRefused.

        ``headers`` (such as Authorization) go to the origin of ``url`` alone.
        """
        target = await self._gate.check(url)
        ask = partial(self._redirects.follow, "GET", target, secrets=headers or {})
        download = Download(ask, target.url, start=start, idle=self._deadlines.idle)
        try:
            await download.open()
            yield download
        finally:
            await download.close()

    async def send(
        self, method: str, url: str, *, headers: Mapping[str, str], body: AsyncIterator[bytes], length: int
    ) -> RemoteAnswer:
        """Send ``length`` bytes by PUT or POST, once, with Content-Length and never chunked.

        Gives the answer whatever its status, also one that comes before the body's end; what is left
        of ``body`` is not asked for then. A redirect raises RedirectRefused. What ``body`` raises
        passes through; LengthWrong where it has another length.
        """
        target = await self._gate.check(url)
        upload = UploadBody(body, target.url, length=length, idle=self._deadlines.idle)
        own = {**headers, **target.authorization, "Content-Length": str(length)}
        async with upload.settled():
            with translated(target.url):
                sent = self._exchange.request(method, target, headers=own, body=upload.chunks())
                async with upload.deadline(self._deadlines.opening), sent as answer:
                    upload.stop()
                    _check(answer, target.url, complete=upload.complete)
                    excerpt = await _excerpt(answer)
                    return RemoteAnswer(answer.status, answer.reason or "", answer.headers, excerpt)


def _check(answer: ClientResponse, url: URL, *, complete: bool) -> None:
    if answer.status in REDIRECTS:
        raise RedirectRefused(url, answer.status, "a body is not sent elsewhere")
    if answer.status in _OK and not complete:
        raise AnswerEarly(url, answer.status)


async def _excerpt(answer: ClientResponse) -> bytes:
    """Give the beginning of the body, or what came of it in time: the status is there anyway."""
    excerpt = b""
    with suppress(ClientError, TimeoutError):
        async with asyncio.timeout(_EXCERPT_DEADLINE.total_seconds()):
            while len(excerpt) < _EXCERPT and (piece := await answer.content.read(_EXCERPT - len(excerpt))):
                excerpt += piece
    return excerpt
