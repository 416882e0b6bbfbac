"""Fetches all that GitHub has of a repository, in GitLab's order, and keeps it page by page.

An attempt goes on behind the pages that attempts before have kept. What one list lacks for a reason of its
own is told when it is mapped, and the rest is fetched; what ends all of it, ends the attempt.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from msgspec import Raw

from shared.archive.errors import LimitExceeded
from shared.github.answers import Repository
from shared.github.client import GitHubClient
from shared.github.errors import PageMalformed, RecordMissing, ScopeMissing
from shared.github.pages import Page
from shared.github_import import lists
from shared.github_import.lists import RemoteList, is_pull_request, peek
from shared.github_import.pages import FetchedPage, PageStore, Reached, SeenPage
from shared.jobs.models import GitHubOrder
from shared.jobs.progress import Progress
from shared.remote.errors import AnswerTooLarge, RemoteError, StatusFailing

CUT = 30_000
"""Items that GitHub gives of the list of all comments of a repository, at most."""

_OWN = (RecordMissing, ScopeMissing, AnswerTooLarge)
"""What ends one list, and says nothing of the others."""

_FAILING = (StatusFailing, PageMalformed)
"""What may be of one list, or of all of GitHub."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a list: how far it has come, and the pages of an earlier import by their cursors."""

    reached: Reached
    seen: Mapping[str, SeenPage]


_Keep = Callable[[RemoteList, Page, int, str], FetchedPage]
"""Makes the page that is kept of one that came, its number and its cursor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """``size`` bounds the bytes of all pages, 0 does not, and ``pages`` their number.

    Personal namespaces have no members.
    """

    size: int
    pages: int
    may_have_members: bool


class Fetcher:
    """Fetches for one job. Memory: two pages that were kept and one that comes, of 32 MiB each at most."""

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
        self._order = order
        self._limits = limits
        self._progress = progress
        self._base = f"/repositories/{order.repository_id}"
        self._has_kept = False

    async def fetch(self) -> Repository:
        """Fetch what is not there yet. Raises RemoteError, BlockedUrl, LimitExceeded and LeaseLost.

        The attempt does not count where it has kept a page before an error that may pass.
        """
        await self._pages.load()
        self._tell()
        try:
            repository = await self._repository()
            await self._lists(repository)
        except RemoteError as error:
            error.counts = not self._has_kept
            raise
        return repository

    async def _repository(self) -> Repository:
        """Fetch the record of the repository, without which nothing goes on."""
        await self._list(lists.REPOSITORY, keep=self._readable, of_all=True)
        record = await self._pages.first(lists.REPOSITORY.name)
        assert record is not None  # noqa: S101  # it was kept
        return self._client.read(record, Repository, self._base)

    def _readable(self, wanted: RemoteList, page: Page, number: int, cursor: str) -> FetchedPage:
        """Keep the record of the repository, if it is one. Raises PageMalformed."""
        self._client.read(page.items[0], Repository, self._base)
        return _as_it_came(wanted, page, number, cursor)

    async def _lists(self, repository: Repository) -> None:
        stages = self._order.stages
        for each in (lists.LABELS, lists.MILESTONES, lists.RELEASES, lists.PULLS):
            await self._list(each)
        if stages.collaborators_import and self._limits.may_have_members and repository.permissions.push:
            await self._list(lists.COLLABORATORS)
            await self._list(lists.OUTSIDE)
            await self._of_each(lists.COLLABORATORS, self._accounts)
        if repository.has_issues:
            await self._list(lists.ISSUES)
        if not stages.single_endpoint_notes_import:
            await self._list(lists.REVIEW_COMMENTS, keep=self._parted)
        if repository.has_issues:
            await self._of_each(lists.ISSUES, self._issues)
        await self._of_each(lists.PULLS, self._pulls)
        await self._list(lists.BRANCHES)
        await self._protections()

    async def _list(
        self,
        wanted: RemoteList,
        known: _Known | None = None,
        *,
        keep: _Keep | None = None,
        of_all: bool = False,
    ) -> None:
        """Fetch the rest of a list; what is ``known`` of it is read where it is not given.

        What ends this list alone is kept as its error, unless it is one ``of_all``.
        """
        if known is None:
            known = (await self._known([wanted]))[wanted.name]
        if known.reached.is_whole:
            return
        try:
            await self._rest(wanted, known, keep or _as_it_came)
        except _OWN as error:
            if of_all:
                raise
            await self._end(wanted, error)

    async def _rest(self, wanted: RemoteList, known: _Known, keep: _Keep) -> None:
        number, cursor = known.reached.pages, known.reached.next
        while number == 0 or cursor:
            async with aclosing(self._come(wanted, cursor, known.seen)) as pages:
                async for page in pages:
                    if page.is_changed:
                        fetched = keep(wanted, page, number, cursor or "")
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
            yield Page((await self._client.record(path),), None, None)
            return
        known = {at or path: page.seen for at, page in seen.items()}
        async with aclosing(self._client.pages(path, cursor=cursor, seen=known)) as pages:
            async for page in pages:
                yield page

    async def _end(self, wanted: RemoteList, error: RemoteError) -> None:
        """Keep why a list has no more."""
        reached = (await self._known([wanted]))[wanted.name].reached
        cursor = reached.next or ""
        await self._keep(
            FetchedPage(list=wanted.name, number=reached.pages, cursor=cursor, error=error.shown)
        )

    async def _known(self, wanted: Iterable[RemoteList]) -> dict[str, _Known]:
        names = [each.name for each in wanted]
        reached = await self._pages.reached(names)
        seen = await self._pages.seen(names, page_size=self._order.page_size)
        return {name: _Known(reached.get(name, Reached()), seen.get(name, {})) for name in names}

    async def _keep(
        self, page: FetchedPage, *, same: SeenPage | None = None, parts: str | None = None
    ) -> None:
        """Keep a page, or a copy of one that is the ``same`` as it was."""
        before = self._pages.size
        if same is None:
            await self._pages.add(page)
        else:
            await self._pages.copy(page, of=same.number, parts=parts)
        self._has_kept = True
        self._progress.bytes_done += self._pages.size - before
        self._tell()
        self._check_limits()

    def _check_limits(self) -> None:
        size, pages = self._limits.size, self._limits.pages
        if size and self._pages.size > size:
            raise LimitExceeded(f"GitHub's answers are over the limit of {size} bytes", limit=size)
        if self._pages.count > pages:
            raise LimitExceeded(f"GitHub's answers are over the limit of {pages} pages", limit=pages)

    def _tell(self) -> None:
        """Tell of what has been fetched, and what is left of the limit of requests."""
        quota = self._client.quota
        self._progress.requests_left = None if quota is None else quota.remaining
        counts = {kind.value: count for kind, count in self._pages.fetched.items() if count}
        self._progress.stats = {"fetched": dict(sorted(counts.items())), "imported": {}}

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
        size = self._order.page_size
        if not page.items or (len(page.items) < size and (number + 1) * size < CUT):
            return None
        since = peek(page.items[-1]).updated_at
        following = self._client.cursor_of(f"{self._base}{wanted.path}&since={since}")
        return following if since and following != cursor else None

    async def _of_each(self, of: RemoteList, fetch: Callable[[Sequence[Raw]], Awaitable[None]]) -> None:
        """Fetch what belongs to the items of a list, a page of these at a time."""
        async with aclosing(self._pages.pages(of.name)) as pages:
            async for items in pages:
                await fetch(items)

    async def _accounts(self, collaborators: Sequence[Raw]) -> None:
        wanted = {each.name: each for each in map(lists.account_of, collaborators)}
        known = await self._known(wanted.values())
        for name, account in wanted.items():
            await self._list(account, known[name])

    async def _issues(self, items: Sequence[Raw]) -> None:
        numbers = _once(peek(item).number for item in items if not is_pull_request(item))
        known = await self._known(lists.timeline_of(number) for number in numbers)
        for number in numbers:
            timeline = lists.timeline_of(number)
            await self._timeline(timeline, known[timeline.name], spare=[lists.comments_of(number)])

    async def _pulls(self, items: Sequence[Raw]) -> None:
        numbers = _once(peek(item).number for item in items)
        timelines = {number: lists.timeline_of(number) for number in numbers}
        comments = {number: lists.review_comments_of(number) for number in numbers}
        known = await self._known([*timelines.values(), *comments.values()])
        for number in numbers:
            spare = [lists.comments_of(number), lists.reviews_of(number)]
            timeline = timelines[number]
            await self._timeline(timeline, known[timeline.name], spare=spare)
            if self._order.stages.single_endpoint_notes_import:
                await self._list(comments[number], known[comments[number].name])

    async def _timeline(self, timeline: RemoteList, known: _Known, *, spare: Sequence[RemoteList]) -> None:
        """Fetch a timeline; where GitHub fails at this one, the ``spare`` lists have a part of it.

        They come first: the error of the timeline says that they are there.
        """
        try:
            await self._list(timeline, known)
        except _FAILING as error:
            await self._require_github()
            for each in spare:
                await self._list_or_end(each)
            await self._end(timeline, error)

    async def _list_or_end(self, wanted: RemoteList) -> None:
        """Fetch a list; where GitHub fails at this one, that is its error."""
        try:
            await self._list(wanted)
        except _FAILING as error:
            await self._require_github()
            await self._end(wanted, error)

    async def _require_github(self) -> None:
        """Raise what is wrong where GitHub does not even give the repository."""
        await self._client.record(self._base)

    async def _protections(self) -> None:
        """Fetch the protections of the branches that have some."""
        place = 0
        async with aclosing(self._pages.pages(lists.BRANCHES.name)) as pages:
            async for items in pages:
                names = [lists.branch_name(item) for item in items]
                wanted = [lists.protection_of(place + at, name) for at, name in enumerate(names)]
                known = await self._known(wanted)
                for each in wanted:
                    await self._list(each, known[each.name])
                place += len(items)


def _once(numbers: Iterable[int]) -> Sequence[int]:
    return tuple(dict.fromkeys(numbers))


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
