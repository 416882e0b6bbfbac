"""One request to one checked target: nothing is resolved again, followed, remembered or decoded."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from socket import AF_INET, AF_INET6, AI_NUMERICHOST, AddressFamily

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
    InvalidURL,
    TCPConnector,
)
from aiohttp.abc import AbstractResolver, ResolveResult
from multidict import CIMultiDict
from yarl import URL

from shared.remote.addresses import Address
from shared.remote.errors import (
    AnswerMalformed,
    BlockedUrl,
    CertificateRefused,
    Reason,
    Unanswered,
    Unreachable,
)
from shared.remote.gate import Target

_HEADERS = {"User-Agent": "crossdock", "Accept": "*/*", "Accept-Encoding": "identity"}


class Exchange:
    """Sends requests; each has a connection of its own, made within ``opening``, TLS included."""

    def __init__(self, tls: ssl.SSLContext | None, opening: timedelta) -> None:
        self._tls = tls
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
        """Give the answer, its body still to be read. Raises RemoteError; the body, aiohttp's errors."""
        merged = CIMultiDict(_HEADERS)
        merged.update(headers)
        async with (
            self._session(target) as session,
            session.request(method, target.url, headers=merged, data=body, allow_redirects=False) as answer,
        ):
            yield answer

    def _session(self, target: Target) -> ClientSession:
        """Make one for each target: sharing it would share connections, and so checks, and cookies."""
        connector = TCPConnector(
            resolver=_Checked(target.addresses), use_dns_cache=False, force_close=True, ssl=self._tls or True
        )
        return ClientSession(
            connector=connector,
            timeout=self._timeout,
            auto_decompress=False,
            trust_env=False,
            middlewares=(_once,),
        )


async def _once(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
    """Keep aiohttp from sending idempotent requests again: it does that with errors of its own only."""
    with translated(request.url):
        return await send(request)


class _Checked(AbstractResolver):
    """Hands out the addresses that were checked, whatever the name; TLS still proves the name."""

    def __init__(self, addresses: tuple[Address, ...]) -> None:
        self._addresses = addresses

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: AddressFamily = AddressFamily.AF_UNSPEC,  # noqa: ARG002  # the connector always says UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=AF_INET6 if address.version == 6 else AF_INET,  # noqa: PLR2004  # of IP
                proto=0,
                flags=AI_NUMERICHOST,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        """Nothing is held."""


@contextmanager
def translated(url: URL) -> Iterator[None]:
    """Turn what aiohttp raises into errors of ours, which show no query, not even as their cause."""
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
