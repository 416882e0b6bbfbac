"""A client of GitHub's REST API, for github.com and for GitHub Enterprise Server."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import UTC, datetime
from typing import TypeVar

import stamina
from msgspec import Raw
from yarl import URL

from shared.github.answers import Repository
from shared.github.errors import PageMalformed, RateLimited, TokenRefused
from shared.github.pages import (
    NOT_MODIFIED,
    Endpoint,
    Page,
    Quota,
    Seen,
    check_quota,
    check_status,
    decode,
    page_of,
    quota_of,
    unchanged_page,
)
from shared.remote.client import RemoteClient
from shared.remote.document import RemoteDocument
from shared.remote.errors import RemoteError

GITHUB = URL("https://api.github.com")
"""Where the API of github.com is."""
PAGE = 100
"""Items a page: the most that GitHub gives."""
LARGEST = 32 * 1024 * 1024
"""Bytes of an answer, at most: 100 comments of 65,536 characters of four bytes each have 26 million."""
TRIES = 4
"""How often a request is sent whose answer is 5xx or cut: GitHub's are now and then, and the next is good."""

T = TypeVar("T")

_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
_TOKEN = re.compile(r"[\x21-\x7e]{1,1024}")
_FULL_NAME = re.compile(r"[\w.-]{1,100}/[\w.-]{1,100}", re.ASCII)
GITHUB_HOSTS = ("github.com", "www.github.com", "api.github.com")
"""The hosts of github.com, all of which have the API ``GITHUB``."""


def api_of(address: str | None) -> URL:
    """Give where the API of a GitHub is, of which ``address`` is the web site; None is github.com.

    ``/api/v3`` goes behind the address unless its path begins with ``/api/``.
    """
    url = GITHUB if address is None else URL(address)
    if url.host in GITHUB_HOSTS:
        return GITHUB
    return url if url.path.startswith("/api/") else url / "api/v3"


def _now() -> datetime:
    return datetime.now(UTC)


class GitHubClient:
    """Reads one GitHub with one token. It holds no resources.

    All methods raise RemoteError: GitHubRefused where GitHub says no, and RateLimited where it goes on later,
    also before a request that would take one of the last 50 of the limit. ``quota`` is what the last answer
    told, None before the first and where the server has no limit.
    """

    def __init__(
        self,
        remote: RemoteClient,
        api: URL,
        *,
        token: str,
        largest: int = LARGEST,
        page_size: int = PAGE,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._remote = remote
        self._api = api
        self._token = token
        self._largest = largest
        self._page_size = page_size
        self._clock = clock
        self.quota: Quota | None = None
        if not _TOKEN.fullmatch(token):
            reason = "no token of GitHub's has such characters, or so many"
            raise TokenRefused(api.origin(), status=401, reason=reason)

    async def record(self, path: str) -> Raw:
        """Give one record, as it came, at a path below the API's, with its escapes."""
        url = self._url(path)
        answer = await self._get(url)
        return decode(answer.body, Raw, self._endpoint(url))

    async def repository(self, named: int | str) -> Repository:
        """Give a repository by its number or by ``owner/repo``.

        Raises PageMalformed, also for an answer with a name that none has at GitHub.
        """
        url = self._url(f"/repositories/{named}" if isinstance(named, int) else f"/repos/{named}")
        found = decode((await self._get(url)).body, Repository, self._endpoint(url))
        if not _FULL_NAME.fullmatch(found.full_name):
            raise PageMalformed(self._api.origin(), url.path)
        return found

    def read(self, record: Raw, kind: type[T], path: str) -> T:
        """Read a record that was given at a path. Raises PageMalformed."""
        return decode(record, kind, self._endpoint(self._url(path)))

    async def pages(
        self, path: str, *, cursor: str | None = None, seen: Mapping[str, Seen] | None = None
    ) -> AsyncGenerator[Page, None]:
        """Give a list page by page: from the first, or from the one of a ``cursor`` that a page has told.

        ``path`` is below the API's, with its escapes and the query of filters. ``seen`` has pages by their
        cursors, the first by ``path``: they cost nothing where they have not changed.
        """
        known = seen or {}
        following: str | None = cursor or path
        while following:
            url = self._url_of(self.cursor_of(path) if following is path else following)
            page = await self._page(url, known.get(following))
            yield page
            following = page.next

    def cursor_of(self, path: str) -> str:
        """Give the cursor of the first page of a list."""
        return self._url(path).update_query(per_page=self._page_size).raw_path_qs

    async def _page(self, url: URL, seen: Seen | None) -> Page:
        answer = await self._get(url, etag=seen.etag if seen else None)
        if seen and answer.status == NOT_MODIFIED:
            return unchanged_page(answer, self._endpoint(url), seen)
        return page_of(answer, self._endpoint(url))

    def _url(self, path: str) -> URL:
        return URL(f"{str(self._api).rstrip('/')}{path}", encoded=True)

    def _url_of(self, cursor: str) -> URL:
        """Give the address of a cursor, which is on the host of the API whatever it says."""
        return self._api.origin().join(URL(f"/{cursor.lstrip('/')}", encoded=True))

    def _endpoint(self, url: URL) -> Endpoint:
        return Endpoint(self._api.origin(), url.path)

    async def _get(self, url: URL, *, etag: str | None = None) -> RemoteDocument:
        """Give an answer of 200, or where there is a tag, of 304."""
        async for attempt in stamina.retry_context(on=_may_pass, attempts=TRIES, timeout=None):
            with attempt:
                return await self._ask(url, etag)
        raise AssertionError("the last attempt raises")

    async def _ask(self, url: URL, etag: str | None) -> RemoteDocument:
        check_quota(self.quota, self._endpoint(url), now=self._clock())
        secrets = {"Authorization": f"Bearer {self._token}"}
        headers = _HEADERS | ({"If-None-Match": etag} if etag else {})
        answer = await self._remote.read(str(url), headers=headers, secrets=secrets, most=self._largest)
        self.quota = quota_of(answer.headers) or self.quota
        if answer.status != NOT_MODIFIED or not etag:
            check_status(answer, self._endpoint(url), token=self._token, now=self._clock())
        return answer


def _may_pass(error: Exception) -> bool:
    """Tell whether the same request may be answered in a moment."""
    return isinstance(error, RemoteError) and error.retryable and not isinstance(error, RateLimited)
