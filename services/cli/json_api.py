"""A client of a JSON API: it sends JSON and decodes answers into known types."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Generic, TypeVar

import msgspec
from aiohttp import ClientResponse
from yarl import URL

from services.cli.errors import RefusedByServer, UnintelligibleAnswer
from services.cli.http import RetryRule, Session, attempts, exchange, retry_if_transient

NOT_FOUND = 404
_FORBIDDEN = 403
_JOB = "X-Crossdock-Job"
_PAGE = 100
_NOTHING = b"null"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Answer(Generic[_T]):
    """A decoded answer, the job that X-Crossdock-Job names, and the query of the page that follows."""

    body: _T
    job: int | None
    following: Mapping[str, str] | None


async def if_visible(asked: Awaitable[_T]) -> _T | None:
    """Return what was asked for; None where the user may not see it, or it is not there."""
    try:
        return await asked
    except RefusedByServer as error:
        if error.status not in {_FORBIDDEN, NOT_FOUND}:
            raise
        return None


class JsonApi:
    """Calls an API below a base URL.

    Every method raises RefusedByServer, ServerUnreachable and UnintelligibleAnswer.
    """

    def __init__(self, session: Session, url: str) -> None:
        self.session = session
        self.url = url

    async def call(
        self,
        method: str,
        path: str,
        answer: type[_T],
        *,
        on: RetryRule = retry_if_transient,
        **options: object,
    ) -> Answer[_T]:
        """Send a request, and retry it where ``on`` says so."""
        async for attempt in attempts(on):
            with attempt:
                return await self.call_once(method, path, answer, **options)
        raise AssertionError("the last attempt raises")

    async def call_once(self, method: str, path: str, answer: type[_T], **options: object) -> Answer[_T]:
        """Send a request once. ``options`` are aiohttp's. An empty answer is decoded as null."""
        async with exchange(self.session, method, self.url + path, **options) as response:
            body = await response.read()
        try:
            decoded = msgspec.json.decode(body or _NOTHING, type=answer)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise UnintelligibleAnswer(
                f"{response.url.origin()} gave no answer of this API: {error}"
            ) from error
        return Answer(decoded, _job(response), _following(response))

    async def items(
        self,
        path: str,
        item: type[_T],
        *,
        limit: int | None = None,
        query: Mapping[str, str] = MappingProxyType({}),
    ) -> AsyncGenerator[_T, None]:
        """Yield the items of a list, at most ``limit``, page by page."""
        given, following = 0, dict[str, str]()
        while True:
            size = _PAGE if limit is None else min(_PAGE, limit - given)
            params = {**query, **following, "per_page": str(size)}
            page = await self.call("GET", path, list[item], params=params)  # type: ignore[valid-type]  # a type at run time
            for each in page.body[:size]:
                yield each
            given += len(page.body)
            if page.following is None or (limit is not None and given >= limit):
                return
            following = dict(page.following)


def _job(response: ClientResponse) -> int | None:
    value = response.headers.get(_JOB, "")
    return int(value) if value.isascii() and value.isdecimal() else None


def _following(response: ClientResponse) -> Mapping[str, str] | None:
    """Return only the query of the next page in Link: the token must not go to another server in a link."""
    link: Mapping[str, object] = response.links.get("next", {})
    url = link.get("url")
    return dict(url.query) if isinstance(url, URL) else None
