"""HTTP requests to a GitLab API: errors by kind, and retries of transient ones."""

from __future__ import annotations

import os
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from http import HTTPStatus
from typing import Any, TypeAlias

import msgspec
import stamina
from aiohttp import (
    ClientConnectionError,
    ClientConnectorError,
    ClientError,
    ClientHttpProxyError,
    ClientResponse,
    ClientSession,
    ClientSSLError,
    ClientTimeout,
)
from yarl import URL

from services.cli.errors import (
    CommandError,
    ProxyRefused,
    RefusedByServer,
    ServerAbsent,
    ServerUnreachable,
    UsageError,
)
from services.cli.rate_limits import LONGEST_WAIT, Throttle, seconds_to_retry
from services.cli.refusal_hints import with_hint
from services.cli.retries import retries
from services.cli.server import DEFAULT_URL
from services.cli.terminal import say
from services.cli.tls_failures import tls_failure

UNSAID_WAIT = timedelta(seconds=60)
"""The wait after a 429 without Retry-After: GitLab counts requests by the minute."""

_TIMEOUT = ClientTimeout(total=None, sock_connect=30, sock_read=300)

ABSENT_AFTER = timedelta(seconds=4)
"""How long a server that has never answered is tried: one that is not there is told within five seconds."""
_CONFLICT, _TOO_MANY_REQUESTS = 409, 429
_SERVER_ERROR = 500
_ERRNO = re.compile(r"\[Errno (\d+)\]")
_UNAUTHORIZED = "Unauthorized: the token is wrong, revoked or expired"
_ERROR_BYTES = 64 * 1024
_PROBLEM = "application/problem+json"
_MESSAGES = ("message", "error_description", "error", "errors", "detail")

RetryRule: TypeAlias = Callable[[Exception], bool | float]
"""Returns for an error whether to retry, or the seconds to wait before the retry."""


def api_url(base: str) -> str:
    """Return the URL of the API of the server ``base``, which may have a path. Raises UsageError."""
    base = base.strip()
    if not re.match(r"https?://[^/?#]", base):
        raise UsageError(f"{base!r} is no URL: it has to begin with http:// or https://")
    try:
        url = URL(base)
        (url.host or "").encode("idna")
    except ValueError as error:
        raise UsageError(f"{base!r} is no URL: {error}") from None
    if url.user is not None or url.raw_query_string or url.raw_fragment or not base.isprintable():
        raise UsageError("the URL may have a host, a port and a path, and nothing else")
    return base.rstrip("/").removesuffix("/api/v4") + "/api/v4"


class Session:
    """Connections to a server, whose requests authenticate with ``token``, or not at all if that is empty.

    The token is sent as a Bearer token, which GitLab accepts for every kind of token: aiohttp drops that
    header, unlike PRIVATE-TOKEN, when a redirect leads to another host. It is a header of each request,
    because those of a session are sent to its proxy too.
    """

    def __init__(self, session: ClientSession, token: str) -> None:
        self._session = session
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._begun = time.monotonic()
        self.throttle = Throttle()
        self.has_answered = False
        """Whether the server has answered any request."""

    @property
    def is_absent(self) -> bool:
        """Whether the server has not answered for so long that it is not there."""
        return not self.has_answered and time.monotonic() - self._begun >= ABSENT_AFTER.total_seconds()

    def request(
        self, method: str, url: URL, *, headers: Mapping[str, str] | None = None, **options: object
    ) -> AbstractAsyncContextManager[ClientResponse]:
        """Send a request. ``options`` are aiohttp's."""
        named = self._headers | dict(headers or {})
        if not self.has_answered:
            options["timeout"] = ClientTimeout(sock_connect=ABSENT_AFTER.total_seconds(), sock_read=300)
        return self._session.request(method, url, headers=named, **options)  # type: ignore[arg-type]  # by keyword


@asynccontextmanager
async def open_session(token: str, proxy: URL | None = None) -> AsyncIterator[Session]:
    """Open a session, by way of ``proxy``.

    The proxy is given, because aiohttp's own look at the environment would find passwords in ~/.netrc too.
    """
    stamina.instrumentation.set_on_retry_hooks([_report_retry])
    headers = {"User-Agent": "crossdock", "Accept-Encoding": "identity"}
    async with ClientSession(
        headers=headers, timeout=_TIMEOUT, auto_decompress=False, proxy=proxy
    ) as session:
        yield Session(session, token)


def _report_retry(details: stamina.instrumentation.RetryDetails) -> None:
    say(f"Trying again in {details.wait_for:.1f} s: {details.caused_by}")


@asynccontextmanager
async def exchange(
    session: Session,
    method: str,
    url: str,
    **options: Any,  # noqa: ANN401  # aiohttp's
) -> AsyncIterator[ClientResponse]:
    """Send one request and yield the response, whose body is not read yet.

    Raises RefusedByServer (4xx) and ServerUnreachable (5xx, no connection, or a connection lost in the
    block), and the CommandError by which the body of the request ended.
    """
    try:
        address = URL(url, encoded=True)  # %2F in a project's path stays as it is
        await session.throttle.wait()
        async with session.request(method, address, **options) as response:
            session.has_answered = True
            session.throttle.note(response.headers)
            if not response.ok:
                raise await _refusal(response)
            yield response
    except (ClientError, TimeoutError) as error:
        if isinstance(error.__cause__, CommandError):  # of what gave the body, and not of the server
            raise error.__cause__ from None
        unreachable = _unreachable(url, error, has_answered=session.has_answered)
        raise (ServerAbsent(str(unreachable)) if session.is_absent else unreachable) from error


def _unreachable(url: str, error: Exception, *, has_answered: bool) -> ServerUnreachable:
    if isinstance(error, ClientSSLError) and (lasting := tls_failure(URL(url), error)):
        return lasting
    if isinstance(error, ClientHttpProxyError) and error.status < _SERVER_ERROR:
        return ProxyRefused(f"the proxy refused: {error.message} (HTTP {error.status})")
    reason = _reason(error) or type(error).__name__
    verb = "cannot reach" if isinstance(error, ClientConnectionError) else "lost the connection to"
    may_be_another = not has_answered and url.startswith(f"{DEFAULT_URL}/")
    hint = "; --url or CROSSDOCK_URL name another server" if may_be_another else ""
    return ServerUnreachable(f"{verb} {URL(url).origin()}: {reason}{hint}")


def _reason(error: Exception) -> str:
    """Return why there is no connection, without aiohttp's words, which name TLS where there is none."""
    if isinstance(error, ClientSSLError) or not isinstance(error, ClientConnectorError):
        return str(error)
    numbers = _ERRNO.findall(str(error.os_error))
    return os.strerror(int(numbers[0])) if numbers else error.os_error.strerror or str(error.os_error)


async def _refusal(response: ClientResponse) -> CommandError:
    answer = _object(await response.content.read(_ERROR_BYTES))
    message = _message(answer) or str(response.reason)
    if response.status >= _SERVER_ERROR:
        return ServerUnreachable(f"{response.url.origin()} failed: {message} (HTTP {response.status})")
    if message.removeprefix("401 ") == HTTPStatus.UNAUTHORIZED.phrase:
        message = _UNAUTHORIZED
    code = _code(answer) if response.content_type == _PROBLEM else None
    is_limited = response.status == _TOO_MANY_REQUESTS
    retry_after = seconds_to_retry(response.headers, is_limited=is_limited)
    return RefusedByServer(response.status, with_hint(message), code=code, retry_after=retry_after)


def _object(body: bytes) -> Mapping[str, object]:
    """Decode a JSON object; return an empty one for anything else."""
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _code(problem: Mapping[str, object]) -> str | None:
    """Return the member ``code``, by which Crossdock extends problem documents (RFC 9457, 3.2)."""
    code = problem.get("code")
    return code if isinstance(code, str) else None


def _message(answer: Mapping[str, object]) -> str:
    """Return the message: GitLab has four names for it and may nest it; RFC 9457 has ``detail``."""
    found = next(filter(None, map(answer.get, _MESSAGES)), "")
    return found if isinstance(found, str) else _nested(found)


def _nested(value: object) -> str:
    match value:
        case {"error": str(text)}:
            return text
        case dict():
            return "; ".join(f"{key} {_nested(each)}" for key, each in value.items())
        case list():
            return ", ".join(_nested(each) for each in value)
        case _:
            return str(value)


def retry_if_limited(error: Exception) -> bool | float:
    """Retry only a 429, after the time that the server names: the server has not begun the request."""
    if not isinstance(error, RefusedByServer) or error.status != _TOO_MANY_REQUESTS:
        return False
    seconds = UNSAID_WAIT.total_seconds() if error.retry_after is None else error.retry_after
    return seconds if seconds <= LONGEST_WAIT.total_seconds() else False


def retry_if_transient(error: Exception) -> bool | float:
    """Retry an idempotent request also after server errors and lost connections."""
    return (isinstance(error, ServerUnreachable) and error.retryable) or retry_if_limited(error)


def retry_if_keyed(error: Exception) -> bool | float:
    """Retry a request with an idempotency key also while an earlier attempt runs (409 with Retry-After)."""
    if isinstance(error, RefusedByServer) and error.status == _CONFLICT and error.retry_after is not None:
        return error.retry_after
    return retry_if_transient(error)


def attempts(on: RetryRule) -> AsyncIterator[stamina.Attempt]:
    """Yield attempts, with growing pauses between them from half a second to 20 seconds."""
    return stamina.retry_context(
        on, attempts=retries.get() + 1, timeout=None, wait_initial=0.5, wait_max=20
    ).__aiter__()
