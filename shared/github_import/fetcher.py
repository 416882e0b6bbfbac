"""Fetches all that GitHub has of a repository, in GitLab's order: which list comes after which.

An attempt goes on behind the pages that attempts before have kept. What one list lacks for a reason of its
own is told when it is mapped, and the rest is fetched; what ends all of it, ends the attempt.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing

from msgspec import Raw

from shared.github.answers import Repository
from shared.github.client import GitHubClient
from shared.github.errors import PageMalformed
from shared.github_import import lists
from shared.github_import.list_fetcher import FetchLimits, ListFetcher, ListState
from shared.github_import.lists import RemoteList, is_pull_request, peek
from shared.github_import.pages import PageStore
from shared.jobs.models import GitHubOrder
from shared.jobs.progress import Progress
from shared.remote.errors import RemoteError, StatusFailing

_FAILING = (StatusFailing, PageMalformed)
"""What may be of one list, or of all of GitHub."""


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
        self._stages = order.stages
        self._may_have_members = limits.may_have_members
        self._list = ListFetcher(client, pages, order, limits=limits, progress=progress)

    async def fetch(self) -> Repository:
        """Fetch what is not there yet. Raises RemoteError, BlockedUrl, LimitExceeded and LeaseLost.

        The attempt does not count where it has kept a page before an error that may pass.
        """
        await self._pages.load()
        self._list.tell()
        try:
            repository = await self._repository()
            await self._lists(repository)
        except RemoteError as error:
            error.counts = not self._list.has_kept
            raise
        return repository

    async def _repository(self) -> Repository:
        """Fetch the record of the repository, without which nothing goes on."""
        await self._list.fetch(lists.REPOSITORY, of_all=True)
        record = await self._pages.first(lists.REPOSITORY.name)
        assert record is not None  # noqa: S101  # it was kept
        return self._client.read(record, Repository, lists.REPOSITORY.name)

    async def _lists(self, repository: Repository) -> None:
        for each in (lists.LABELS, lists.MILESTONES, lists.RELEASES, lists.PULLS):
            await self._list.fetch(each)
        if self._stages.collaborators_import and self._may_have_members and repository.permissions.push:
            await self._list.fetch(lists.COLLABORATORS)
            await self._list.fetch(lists.OUTSIDE)
            await self._of_each(lists.COLLABORATORS, self._accounts)
        if repository.has_issues:
            await self._list.fetch(lists.ISSUES)
        if not self._stages.single_endpoint_notes_import:
            await self._list.fetch(lists.REVIEW_COMMENTS)
        if repository.has_issues:
            await self._of_each(lists.ISSUES, self._issues)
        await self._of_each(lists.PULLS, self._pulls)
        await self._list.fetch(lists.BRANCHES)
        await self._protections()

    async def _of_each(self, of: RemoteList, fetch: Callable[[Sequence[Raw]], Awaitable[None]]) -> None:
        """Fetch what belongs to the items of a list, a page of these at a time."""
        async with aclosing(self._pages.pages(of.name)) as pages:
            async for items in pages:
                await fetch(items)

    async def _accounts(self, collaborators: Sequence[Raw]) -> None:
        wanted = {each.name: each for each in map(lists.account_of, collaborators)}
        known = await self._list.known(wanted.values())
        for name, account in wanted.items():
            await self._list.fetch(account, known[name])

    async def _issues(self, items: Sequence[Raw]) -> None:
        numbers = _once(peek(item).number for item in items if not is_pull_request(item))
        known = await self._list.known(lists.timeline_of(number) for number in numbers)
        for number in numbers:
            timeline = lists.timeline_of(number)
            await self._timeline(timeline, known[timeline.name], spare=[lists.comments_of(number)])

    async def _pulls(self, items: Sequence[Raw]) -> None:
        numbers = _once(peek(item).number for item in items)
        timelines = {number: lists.timeline_of(number) for number in numbers}
        comments = {number: lists.review_comments_of(number) for number in numbers}
        known = await self._list.known([*timelines.values(), *comments.values()])
        for number in numbers:
            spare = [lists.comments_of(number), lists.reviews_of(number)]
            timeline = timelines[number]
            await self._timeline(timeline, known[timeline.name], spare=spare)
            if self._stages.single_endpoint_notes_import:
                await self._list.fetch(comments[number], known[comments[number].name])

    async def _timeline(self, timeline: RemoteList, known: ListState, *, spare: Sequence[RemoteList]) -> None:
        """Fetch a timeline; where GitHub fails at this one, the ``spare`` lists have a part of it.

        They come first: the error of the timeline says that they are there.
        """
        try:
            await self._list.fetch(timeline, known)
        except _FAILING as error:
            await self._list.require_github()
            for each in spare:
                await self._list_or_end(each)
            await self._list.end(timeline, error)

    async def _list_or_end(self, wanted: RemoteList) -> None:
        """Fetch a list; where GitHub fails at this one, that is its error."""
        try:
            await self._list.fetch(wanted)
        except _FAILING as error:
            await self._list.require_github()
            await self._list.end(wanted, error)

    async def _protections(self) -> None:
        """Fetch the protections of the branches that have some."""
        place = 0
        async with aclosing(self._pages.pages(lists.BRANCHES.name)) as pages:
            async for items in pages:
                names = [lists.branch_name(item) for item in items]
                wanted = [lists.protection_of(place + at, name) for at, name in enumerate(names)]
                known = await self._list.known(wanted)
                for each in wanted:
                    await self._list.fetch(each, known[each.name])
                place += len(items)


def _once(numbers: Iterable[int]) -> Sequence[int]:
    return tuple(dict.fromkeys(numbers))
