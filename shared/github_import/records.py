"""Maps the pages of an import from GitHub to the lines of relations, one issue or pull request at a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct

from shared.github.access import map_collaborators, map_protected_branch, must_resolve_discussions
from shared.github.answers import UNREADABLE, Repository
from shared.github.issues import IssueMapper
from shared.github.lists import MOST as MOST_NAMED
from shared.github.lists import Catalogue, ReleaseMapper, map_labels, map_milestones
from shared.github.merge_requests import PullRequestAnswers, PullRequestMapper
from shared.github.origin import Origin
from shared.github.statistics import Mapped, MappingFailure, ObjectType, Tally
from shared.github.texts import without_nul
from shared.github_import import lists
from shared.github_import.lists import is_pull_request, peek
from shared.github_import.pages import PageStore
from shared.github_import.uploads import Uploads
from shared.gitlab.iids import Iids
from shared.gitlab.record_json import record_line
from shared.restore.failures import Failure
from shared.restore.reading import Reading
from shared.shielding import on_thread

MOST = 64 * 1024 * 1024
"""Bytes of what one issue or pull request consists of, of each list: a line of GitLab's is shorter."""

_INLINE = 64 * 1024
"""Bytes of answers that are mapped on the event loop, in a few milliseconds."""

_SOURCE = "GithubImporter"
_ERROR = "Octokit::Error"

Lines = AsyncGenerator[bytes, None]
T = TypeVar("T")
Record = TypeVar("Record", bound=Struct)


class RelationLines:
    """Gives the lines of each relation, in an order in which each knows what it refers to.

    What cannot be mapped is a failure of ``reading``; what a list has twice, as it changed meanwhile, comes
    once. Memory: labels and milestones, 16 MiB of numbers, and one issue or pull request with its answers.
    """

    def __init__(self, pages: PageStore, origin: Origin, reading: Reading, uploads: Uploads) -> None:
        self._pages = pages
        self._origin = origin
        self._reading = reading
        self._uploads = uploads
        self._catalogue = Catalogue()
        self._total = Tally()

    def relations(self, repository: Repository) -> Iterator[tuple[str, Lines]]:
        """Give the relations by their names; each is to be read to its end before the next."""
        yield "labels", self._labels()
        yield "milestones", self._milestones()
        yield "releases", self._releases()
        yield "project_members", self._members()
        yield "protected_branches", self._protected_branches(repository)
        yield "issues", self._issues()
        yield "merge_requests", self._merge_requests()

    async def count_others(self, tally: Tally) -> None:
        """Count what was imported beside the records."""
        await self._count(tally)

    async def complete(self) -> None:
        """Tell of the lists that GitHub did not give whole, and count what there is."""
        async for name, error in self._pages.errors():
            kind, identifiers = lists.subject_of(name)
            await self._fail(MappingFailure(kind, identifiers, _ERROR, error))
        self._reading.progress.stats = self._total.stats

    async def must_resolve_discussions(self, repository: Repository) -> bool:
        """Tell whether the protection of the default branch wants all conversations resolved."""
        async for place, name in self._branches():
            if name == repository.default_branch:
                protection = await self._pages.first(lists.protection_of(place).name)
                return protection is not None and must_resolve_discussions(protection)
        return False

    async def _labels(self) -> Lines:
        async for items in self._items(lists.LABELS.name):
            tally = Tally()
            for record in map_labels(items, self._origin, tally):
                if not self._catalogue.add_label(record):
                    await self._fail(_unlinked(ObjectType.LABEL, {"title": record.title}))
                yield record_line(record)
            await self._count(tally)

    async def _milestones(self) -> Lines:
        async for items in self._items(lists.MILESTONES.name):
            tally = Tally()
            for record in map_milestones(items, self._origin, tally):
                if not self._catalogue.add_milestone(record):
                    await self._fail(_unlinked(ObjectType.MILESTONE, {"iid": record.iid}))
                yield record_line(record)
            await self._count(tally)

    async def _releases(self) -> Lines:
        mapper = ReleaseMapper(self._origin, set())
        async for items in self._items(lists.RELEASES.name):
            for item in items:
                tally = Tally()
                uploads = self._uploads.of_release(item)
                for line in map(record_line, mapper.map([item], tally, uploads=uploads)):
                    yield line
                await self._count(tally)

    async def _members(self) -> Lines:
        outside = [peek(item).id async for items in self._items(lists.OUTSIDE.name) for item in items]
        async for items in self._items(lists.COLLABORATORS.name):
            tally = Tally()
            people = [await self._with_email(item) for item in items]
            for record in map_collaborators(people, self._origin, tally, outside=frozenset(outside)):
                yield record_line(record)
            await self._count(tally)

    async def _with_email(self, collaborator: Raw) -> Raw:
        """Give a collaborator with the public e-mail, by which alone a GitLab finds a person."""
        account = await self._pages.first(lists.account_of(collaborator).name)
        try:
            members = msgspec.json.decode(collaborator, type=dict[str, Raw])
            told = msgspec.json.decode(account or b"{}", type=dict[str, Raw])
        except UNREADABLE:  # a failure when it is mapped
            return collaborator
        return Raw(msgspec.json.encode(members | {"email": told.get("email", Raw(b"null"))}))

    async def _protected_branches(self, repository: Repository) -> Lines:
        async for place, name in self._branches():
            protection = await self._pages.first(lists.protection_of(place).name)
            if protection is None:
                continue
            tally = Tally()
            is_open = name != repository.default_branch
            record = map_protected_branch(name, protection, self._origin, tally, is_open_to_force=is_open)
            if record:
                yield record_line(record)
            await self._count(tally)

    async def _issues(self) -> Lines:
        mapper, known = IssueMapper(self._origin, self._catalogue), Iids()
        async for items in self._items(lists.ISSUES.name):
            for item in items:
                number = peek(item).number
                if is_pull_request(item) or not _is_new(number, known):
                    continue
                timeline, comments, _ = await self._activity(number)
                every = [item, *timeline, *comments]
                uploads = self._uploads.of(every)
                work = partial(mapper.map, item, timeline, comments=comments, uploads=uploads)
                line = await self._line(work, every)
                if line is not None:
                    yield line

    async def _merge_requests(self) -> Lines:
        mapper, known = PullRequestMapper(self._origin, self._catalogue), Iids()
        async for items in self._items(lists.PULLS.name):
            for item in items:
                number = peek(item).number
                if not _is_new(number, known):
                    continue
                timeline, comments, reviews = await self._activity(number)
                on_lines = await self._pages.whole(lists.review_comments_of(number).name, most=MOST)
                answers = PullRequestAnswers(
                    item, timeline, _unique(on_lines.items), comments=comments, reviews=reviews
                )
                every = [item, *timeline, *on_lines.items, *comments, *reviews]
                work = partial(mapper.map, answers, uploads=self._uploads.of(every))
                line = await self._line(work, every)
                if line is not None:
                    yield line

    async def _activity(self, number: int) -> tuple[Sequence[Raw], Sequence[Raw], Sequence[Raw]]:
        """Give a timeline; where it is not whole, also the comments and reviews that came by themselves."""
        timeline = await self._pages.whole(lists.timeline_of(number).name, most=MOST)
        if timeline.error is None:
            return timeline.items, (), ()
        comments = await self._pages.whole(lists.comments_of(number).name, most=MOST)
        reviews = await self._pages.whole(lists.reviews_of(number).name, most=MOST)
        return timeline.items, comments.items, reviews.items

    async def _line(self, work: Callable[[], Mapped[Record]], answers: Sequence[Raw]) -> bytes | None:
        """Map answers to a line, on a thread where that takes long; None where they cannot be mapped."""
        line, tally = await _by_size(partial(_as_line, work), answers)
        await self._count(tally)
        return line

    async def _items(self, name: str) -> AsyncGenerator[Sequence[Raw], None]:
        """Give a list page by page."""
        async with aclosing(self._pages.pages(name)) as pages:
            async for items in pages:
                yield items

    async def _branches(self) -> AsyncGenerator[tuple[int, str], None]:
        place = 0
        async for items in self._items(lists.BRANCHES.name):
            for item in items:
                yield place, lists.branch_name(item)
                place += 1

    async def _count(self, tally: Tally) -> None:
        """Count what was mapped, and record what failed."""
        for failure in tally.failures:
            await self._fail(failure)
        self._total.fetched.update(tally.fetched)
        self._total.imported.update(tally.imported)
        progress = self._reading.progress
        fetched = (progress.stats or {}).get("fetched", {})
        progress.stats = {"fetched": fetched, "imported": self._total.stats["imported"]}

    async def _fail(self, failure: MappingFailure) -> None:
        await self._reading.failures.add(
            Failure(
                relation=failure.object_type.value,
                line_number=None,
                exception_class=failure.exception_class,
                message=failure.message,
                source=_SOURCE,
                external_identifiers={
                    name: without_nul(value) if isinstance(value, str) else value
                    for name, value in failure.external_identifiers.items()
                },
            )
        )


def _unlinked(kind: ObjectType, identifiers: Mapping[str, int | str]) -> MappingFailure:
    return MappingFailure(
        kind, identifiers, _ERROR, f"nothing refers to it: it is behind the first {MOST_NAMED}"
    )


def _is_new(number: int, known: Iids) -> bool:
    """Tell whether a number comes for the first time; 0 is that of what cannot be read: each is a failure."""
    return number == 0 or known.add(number)


def _as_line(work: Callable[[], Mapped[Record]]) -> tuple[bytes | None, Tally]:
    mapped = work()
    return None if mapped.record is None else record_line(mapped.record), mapped.tally


async def _by_size(step: Callable[[], T], answers: Iterable[Raw]) -> T:
    return step() if sum(map(len, answers)) <= _INLINE else await on_thread(step)


def _unique(comments: Sequence[Raw]) -> Sequence[Raw]:
    """Give comments once each: a list that goes on behind its cut has some of them twice."""
    return list({peek(comment).id: comment for comment in comments}.values())
