"""Fetches one list of GitHub's page by page, behind the pages that were kept, and keeps each as it comes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from msgspec import Raw

from shared.archive.errors import LimitExceeded
from shared.github.client import GitHubClient
from shared.github.errors import RecordMissing, ScopeMissing
from shared.github.pages import Page
from shared.github_import import lists
from shared.github_import.lists import RemoteList, peek
from shared.github_import.pages import FetchedPage, PageStore, Reached, SeenPage
from shared.jobs.models import GitHubOrder
from shared.jobs.progress import Progress
from shared.remote.errors import AnswerTooLarge, RemoteError

CUT = 30_000
"""Items that GitHub gives of the list of all comments of a repository, at most."""

_OWN = (RecordMissing, ScopeMissing, AnswerTooLarge)
"""What ends one list, and says nothing of the others."""


@dataclass(frozen=True, slots=True)
class ListState:
    """What is known of a list: how far it has come, and the pages of an earlier import by their cursors."""

    reached: Reached
    seen: Mapping[str, SeenPage]


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """``size`` bounds the bytes of all pages, 0 does not, and ``pages`` their number.

    Personal namespaces have no members.
    """

    size: int
    pages: int
    may_have_members: bool


class ListFetcher:
    """Fetches lists for one job, one at a time. Memory: a page, of 32 MiB at most."""

    def __init__(
        self,
        client: GitHubClient,
        pages: PageStore,
        order: GitHubOrder,
        *,
        limits: FetchLimits,
        progress: Progress,
    ) -> None:
        self._client = client
        self._pages = pages
        self._page_size = order.page_size
        self._limits = limits
        self._progress = progress
        self._base = f"/repositories/{order.repository_id}"
        self.has_kept = False
        """Whether a page was kept."""

    async def require_github(self) -> None:
        """Raise what is wrong where GitHub does not even give the repository."""
        await self._client.record(self._base)

    async def known(self, wanted: Iterable[RemoteList]) -> dict[str, ListState]:
        """Read how far lists have come, and what an earlier import has kept of them."""
        names = [each.name for each in wanted]
        reached = await self._pages.reached(names)
        seen = await self._pages.seen(names, page_size=self._page_size)
        return {name: ListState(reached.get(name, Reached()), seen.get(name, {})) for name in names}

    async def fetch(
        self,
        wanted: RemoteList,
        known: ListState | None = None,
        *,
        of_all: bool = False,
    ) -> None:
        """Fetch the rest of a list; what is ``known`` of it is read where it is not given.

        What ends this list alone is kept as its error, unless it is one ``of_all``.
        """
        if known is None:
            known = (await self.known([wanted]))[wanted.name]
        if known.reached.is_whole:
            return
        try:
            await self._rest(wanted, known)
        except _OWN as error:
            if of_all:
                raise
            await self.end(wanted, error)

    async def _rest(self, wanted: RemoteList, known: ListState) -> None:
        number, cursor = known.reached.pages, known.reached.next
        while number == 0 or cursor:
            async with aclosing(self._come(wanted, cursor, known.seen)) as pages:
                async for page in pages:
                    if page.is_changed:
                        fetched = self._to_keep(wanted, page, number, cursor or "")
                        await self._keep(fetched)
                    else:
                        fetched = _unchanged(wanted, page, number, cursor or "")
                        await self._keep(fetched, same=known.seen[fetched.cursor], parts=wanted.parts)
                    number, cursor = number + 1, fetched.next

    async def _come(
        self, wanted: RemoteList, cursor: str | None, seen: Mapping[str, SeenPage]
    ) -> AsyncGenerator[Page, None]:
        path = f"{self._base if wanted.is_of_repository else ''}{wanted.path}"
        if wanted.is_record:
            record = await self._client.record(path)
            self._client.read(record, wanted.form, path)
            yield Page((record,), None, None)
            return
        known = {at or path: page.seen for at, page in seen.items()}
        async with aclosing(self._client.pages(path, cursor=cursor, seen=known)) as pages:
            async for page in pages:
                yield page

    async def end(self, wanted: RemoteList, error: RemoteError) -> None:
        """Keep why a list has no more."""
        reached = (await self.known([wanted]))[wanted.name].reached
        cursor = reached.next or ""
        await self._keep(
            FetchedPage(list=wanted.name, number=reached.pages, cursor=cursor, error=error.shown)
        )

    async def _keep(
        self, page: FetchedPage, *, same: SeenPage | None = None, parts: str | None = None
    ) -> None:
        """Keep a page, or a copy of one that is the ``same`` as it was."""
        before = self._pages.size
        if same is None:
            await self._pages.add(page)
        else:
            await self._pages.copy(page, of=same.number, parts=parts)
        self.has_kept = True
        self._progress.bytes_done += self._pages.size - before
        self.tell()
        self._check_limits()

    def _check_limits(self) -> None:
        size, pages = self._limits.size, self._limits.pages
        if size and self._pages.size > size:
            raise LimitExceeded(f"GitHub's answers are over the limit of {size} bytes", limit=size)
        if self._pages.count > pages:
            raise LimitExceeded(f"GitHub's answers are over the limit of {pages} pages", limit=pages)

    def tell(self) -> None:
        """Tell of what has been fetched, and what is left of the limit of requests."""
        quota = self._client.quota
        self._progress.requests_left = None if quota is None else quota.remaining
        counts = {kind.value: count for kind, count in self._pages.fetched.items() if count}
        self._progress.stats = {"fetched": dict(sorted(counts.items())), "imported": {}}

    def _to_keep(self, wanted: RemoteList, page: Page, number: int, cursor: str) -> FetchedPage:
        parted = self._parted if wanted.parts else _as_it_came
        return parted(wanted, page, number, cursor)

    def _parted(self, wanted: RemoteList, page: Page, number: int, cursor: str) -> FetchedPage:
        """Keep comments on lines as pages of their own pull requests.

        Where GitHub may have cut the list, another begins at the time of the last comment, which comes twice.
        """
        parts: defaultdict[str, list[Raw]] = defaultdict(list)
        for item in page.items:
            parts[lists.review_comments_of(lists.pull_number(item)).name].append(item)
        return FetchedPage(
            list=wanted.name,
            number=number,
            cursor=cursor,
            next=page.next or self._behind_cut(wanted, page, number, cursor),
            etag=page.etag,
            fetched=wanted.count(page.items),
            parts=parts,
        )

    def _behind_cut(self, wanted: RemoteList, page: Page, number: int, cursor: str) -> str | None:
        """Give where the list goes on that ends with a page, if it may be cut there.

        A list that ends where it is cut has a full last page, or as many items as GitHub gives.
        """
        size = self._page_size
        if not page.items or (len(page.items) < size and (number + 1) * size < CUT):
            return None
        since = peek(page.items[-1]).updated_at
        following = self._client.cursor_of(f"{self._base}{wanted.path}&since={since}")
        return following if since and following != cursor else None


def _as_it_came(wanted: RemoteList, page: Page, number: int, cursor: str) -> FetchedPage:
    return FetchedPage(
        list=wanted.name,
        number=number,
        cursor=cursor,
        next=page.next,
        etag=page.etag,
        items=page.items,
        fetched=wanted.count(page.items),
    )


def _unchanged(wanted: RemoteList, page: Page, number: int, cursor: str) -> FetchedPage:
    return FetchedPage(list=wanted.name, number=number, cursor=cursor, next=page.next)
