"""One request to a GitLab API, with its errors told apart and the passing ones tried again."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TypeAlias

import msgspec
import stamina
from aiohttp import ClientConnectionError, ClientError, ClientResponse, ClientSession, ClientTimeout
from yarl import URL

from services.cli.errors import CommandError, RefusedByServer, ServerUnreachable, UsageError
from services.cli.terminal import say

ATTEMPTS = 8
"""Tries of one request, about half a minute in all where the server names no time itself."""

LONGEST_WAIT = timedelta(minutes=10)
"""The longest Retry-After that is waited for."""

UNSAID_WAIT = timedelta(seconds=60)
"""What is waited for after a 429 without Retry-After: GitLab counts by the minute."""

_TIMEOUT = ClientTimeout(total=None, sock_connect=30, sock_read=300)
_CONFLICT, _TOO_MANY_REQUESTS = 409, 429
_SERVER_ERROR = 500
_ERROR_BYTES = 64 * 1024
_PROBLEM = "application/problem+json"
_MESSAGES = ("message", "error_description", "error", "detail")

RetryRule: TypeAlias = Callable[[Exception], bool | float]
"""Says of an error whether to try again, or in how many seconds."""


def api_url(base: str) -> str:
    """The API's address below ``base``, which may be a GitLab in a subdirectory. Raises UsageError."""
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


@asynccontextmanager
async def open_session(token: str) -> AsyncIterator[ClientSession]:
    """Open a session that shows ``token``.

    It goes as a Bearer token (which GitLab takes for every kind of token) because that header, unlike
    PRIVATE-TOKEN, is left out where a redirect leads to another host.
    """
    stamina.instrumentation.set_on_retry_hooks([_tell])
    headers = {"Authorization": f"Bearer {token}", "User-Agent": "crossdock", "Accept-Encoding": "identity"}
    async with ClientSession(headers=headers, timeout=_TIMEOUT, auto_decompress=False) as session:
        yield session


def _tell(details: stamina.instrumentation.RetryDetails) -> None:
    say(f"Trying again in {details.wait_for:.1f} s: {details.caused_by}")


@asynccontextmanager
async def exchange(
    session: ClientSession, method: str, url: str, **options: object
) -> AsyncIterator[ClientResponse]:
    """Make one request and give the answer, its body still to be read.

    Raises RefusedByServer (4xx) and Unreachable (5xx, no connection, or broken off in the block).
    """
    try:
        address = URL(url, encoded=True)  # %2F in a project's path stays as it is
        async with session.request(method, address, **options) as response:  # type: ignore[arg-type]  # by keyword
            if not response.ok:
                raise await _refusal(response)
            yield response
    except (ClientError, TimeoutError) as error:
        raise _unreachable(url, error) from error


def _unreachable(url: str, error: Exception) -> ServerUnreachable:
    reason = str(error) or type(error).__name__
    verb = "cannot reach" if isinstance(error, ClientConnectionError) else "lost the connection to"
    return ServerUnreachable(f"{verb} {URL(url).origin()}: {reason}")


async def _refusal(response: ClientResponse) -> CommandError:
    answer = _object(await response.content.read(_ERROR_BYTES))
    message = _message(answer) or str(response.reason)
    if response.status >= _SERVER_ERROR:
        return ServerUnreachable(f"{response.url.origin()} failed: {message} (HTTP {response.status})")
    code = _code(answer) if response.content_type == _PROBLEM else None
    return RefusedByServer(response.status, message, code=code, retry_after=_retry_after(response))


def _object(body: bytes) -> Mapping[str, object]:
    """Decode a JSON object; anything else is an empty one."""
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _code(problem: Mapping[str, object]) -> str | None:
    """Give the member ``code`` of a Crossdock's problem document (RFC 9457, 3.2 allows for more members)."""
    code = problem.get("code")
    return code if isinstance(code, str) else None


def _message(answer: Mapping[str, object]) -> str:
    """GitLab says it under three of the names (text or nested), and RFC 9457 under ``detail``."""
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


def _retry_after(response: ClientResponse) -> float | None:
    """Seconds; a date (RFC 9110, 10.2.3) is rare enough to be treated as nothing said."""
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else None


def retry_if_limited(error: Exception) -> bool | float:
    """Try again what was not even begun: too many requests (429), in the time that the server names."""
    if not isinstance(error, RefusedByServer) or error.status != _TOO_MANY_REQUESTS:
        return False
    seconds = UNSAID_WAIT.total_seconds() if error.retry_after is None else error.retry_after
    return seconds if seconds <= LONGEST_WAIT.total_seconds() else False


def retry_if_transient(error: Exception) -> bool | float:
    """Try again what can be asked twice: also errors of the server and lost connections."""
    return (isinstance(error, ServerUnreachable) and error.retryable) or retry_if_limited(error)


def retry_if_keyed(error: Exception) -> bool | float:
    """Try again what takes effect once: also while an earlier try is still at work (409 with a time)."""
    if isinstance(error, RefusedByServer) and error.status == _CONFLICT and error.retry_after is not None:
        return error.retry_after
    return retry_if_transient(error)


def attempts(on: RetryRule) -> AsyncIterator[stamina.Attempt]:
    """Blocks to try something in, with growing pauses of half a second to 20 seconds between them."""
    return stamina.retry_context(
        on, attempts=ATTEMPTS, timeout=None, wait_initial=0.5, wait_max=20
    ).__aiter__()
