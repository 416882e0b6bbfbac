"""Sends one request to one checked target, without resolving, redirects, cookies or decoding."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from functools import partial
from socket import AddressFamily

from aiohttp import (
    ClientConnectorCertificateError,
    ClientError,
    ClientHandlerType,
    ClientOSError,
    ClientRequest,
    ClientResponse,
    ClientResponseError,
    ClientSession,
    ClientSSLError,
    ClientTimeout,
    DummyCookieJar,
    InvalidURL,
    TCPConnector,
)
from aiohttp.abc import AbstractResolver, ResolveResult
from multidict import CIMultiDict
from yarl import URL

from shared.lending import lent
from shared.remote.addresses import Address
from shared.remote.checked_names import resolved
from shared.remote.connections import IDLE, KeptConnections
from shared.remote.errors import (
    AnswerMalformed,
    BlockedUrl,
    CertificateRefused,
    Reason,
    Unanswered,
    Unreachable,
)
from shared.remote.gate import Target
from shared.remote.reasons import LARGEST

_EXCERPT_DEADLINE = timedelta(seconds=5)
_HEADERS = {"User-Agent": "crossdock", "Accept": "*/*", "Accept-Encoding": "identity"}


class Exchange:
    """Sends requests, each on a connection of its own, or on one that is ``kept``.

    A connection is made within ``opening``, TLS included.
    """

    def __init__(
        self, tls: ssl.SSLContext | None, opening: timedelta, kept: KeptConnections | None = None
    ) -> None:
        self._tls = tls
        self._kept = kept
        self._timeout = ClientTimeout(total=None, sock_connect=opening.total_seconds())

    @asynccontextmanager
    async def request(
        self,
        method: str,
        target: Target,
        *,
        headers: Mapping[str, str],
        body: AsyncIterator[bytes | memoryview] | None = None,
    ) -> AsyncIterator[ClientResponse]:
        """Give the answer, whose body is still to be read.

        Raises RemoteError; reading the body raises aiohttp's errors.
        """
        merged = CIMultiDict(_HEADERS)
        merged.update(headers)
        async with AsyncExitStack() as stack:
            session, is_used = await stack.enter_async_context(self._lent(target))
            if body is not None:
                body = await stack.enter_async_context(lent(body))
            asked = partial(session.request, method, target.url, headers=merged, allow_redirects=False)
            try:
                answer = await stack.enter_async_context(asked(data=body))
            except Unreachable:
                if not is_used or body is not None:
                    raise
                # The server may have closed it meanwhile; aiohttp has dropped it, and makes another one.
                answer = await stack.enter_async_context(asked())
            yield answer

    @asynccontextmanager
    async def _lent(self, target: Target) -> AsyncIterator[tuple[ClientSession, bool]]:
        if self._kept is None:
            async with self._session(target, keeps=False) as session:
                yield session, False
            return
        async with self._kept.lend(target, partial(self._session, target, keeps=True)) as (session, is_used):
            yield session, is_used

    def _session(self, target: Target, *, keeps: bool) -> ClientSession:
        """Make a session for one target: one for others too would reuse connections that were not checked."""
        more = {"keepalive_timeout": IDLE.total_seconds()} if keeps else {"force_close": True}
        connector = TCPConnector(
            resolver=_Checked(target.addresses), use_dns_cache=False, ssl=self._tls or True, limit=1, **more
        )
        return ClientSession(
            connector=connector,
            cookie_jar=DummyCookieJar(),
            timeout=self._timeout,
            # What S3 has signed without a type, by version 2, may not have one.
            skip_auto_headers=("Content-Type",),
            auto_decompress=False,
            trust_env=False,
            middlewares=(_once,),
        )


async def _once(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
    """Keep aiohttp from repeating idempotent requests: it does so only for errors of its own."""
    with translate_errors(request.url):
        return await send(request)


class _Checked(AbstractResolver):
    """Gives the checked addresses for any name; TLS still verifies the name."""

    def __init__(self, addresses: tuple[Address, ...]) -> None:
        self._addresses = addresses

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: AddressFamily = AddressFamily.AF_UNSPEC,  # noqa: ARG002  # the connector always says UNSPEC
    ) -> list[ResolveResult]:
        return resolved(host, port, self._addresses)

    async def close(self) -> None:
        """Close nothing."""


async def read_excerpt(answer: ClientResponse) -> bytes:
    """Give up to 4 KiB of the body, or as much as comes within 5 seconds: the status is known anyway."""
    excerpt = b""
    with suppress(ClientError, TimeoutError):
        async with asyncio.timeout(_EXCERPT_DEADLINE.total_seconds()):
            while len(excerpt) < LARGEST and (piece := await answer.content.read(LARGEST - len(excerpt))):
                excerpt += piece
    return excerpt


@contextmanager
def translate_errors(url: URL) -> Iterator[None]:
    """Translate aiohttp's errors into RemoteError, which shows no query, not even in its cause."""
    try:
        yield
    except TimeoutError:
        raise Unanswered(url) from None
    except InvalidURL:  # what may be an address, in a spelling that aiohttp does not connect to
        raise BlockedUrl(Reason.HOST_INVALID) from None
    except (ClientConnectorCertificateError, ClientSSLError) as error:
        raise CertificateRefused(url, _certificate(error)) from None
    except ClientResponseError:
        raise AnswerMalformed(url, "no HTTP, or oversized headers") from None
    except ClientError as error:
        number = error.errno if isinstance(error, ClientOSError) else None
        raise Unreachable(url, os.strerror(number) if number else "the connection was lost") from None


def _certificate(error: ClientConnectorCertificateError | ClientSSLError) -> str:
    cause = error.certificate_error if isinstance(error, ClientConnectorCertificateError) else error
    return getattr(cause, "verify_message", "") or type(cause).__name__
