"""A large repository, whose records are made as they are read and never kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar, overload

from tests.support.github.issues import Issue
from tests.support.github.records import EPOCH, Comment, Label, Stamp, User
from tests.support.github.repositories import Repository

T = TypeVar("T")

_PEOPLE = 500
_TEXT = "It stops when the second file is read. Seen with version {} on Linux; see #{} for what was tried. "


@dataclass(frozen=True, slots=True)
class Made(Sequence[T], Generic[T]):
    """A sequence whose items are made, each time that they are asked for, by their place in ``places``."""

    make: Callable[[int], T]
    places: range

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[T]: ...
    def __getitem__(self, place: int | slice) -> T | Sequence[T]:
        if isinstance(place, slice):
            return Made(self.make, self.places[place])
        return self.make(self.places[place])

    def __iter__(self) -> Iterator[T]:
        return map(self.make, self.places)


@dataclass(slots=True, kw_only=True)
class LargeRepository(Repository):
    """A repository of many issues, each of which has the same number of comments."""

    comments_each: int

    def comments(self) -> Sequence[tuple[Issue, Comment]]:
        """See Repository."""
        return Made(self._comment_with_issue, range(len(self.issues) * self.comments_each))

    def _comment_with_issue(self, place: int) -> tuple[Issue, Comment]:
        number, inner = divmod(place, self.comments_each)
        issue = self.issues[number]
        return issue, issue.comments[inner]


def large_repository(
    *, issues: int = 20_000, comments_each: int = 10, path: str = "octo/large"
) -> LargeRepository:
    """Make a repository of ``issues`` issues with ``comments_each`` comments each: 200,000 unless told."""
    login, _, name = path.partition("/")
    labels = [Label(f"label {number}") for number in range(20)]

    def issue(place: int) -> Issue:
        return Issue(
            number=place + 1,
            title=f"Issue {place + 1}",
            body=_TEXT.format(place % 7, max(place, 1)) * 3,
            user=_person(place),
            labels=[labels[place % len(labels)]],
            comments=Made(lambda inner: _comment(place, inner), range(comments_each)),
            stamp=_stamp(1, place),
        )

    return LargeRepository(
        owner=User(login, 99),
        name=name,
        labels=labels,
        issues=Made(issue, range(issues)),
        comments_each=comments_each,
    )


def _comment(issue: int, place: int) -> Comment:
    body = _TEXT.format(place, issue + 1) * 2
    return Comment(body, _person(issue + place), _stamp(2, issue * 1_000 + place))


def _person(number: int) -> User:
    return User(f"person-{number % _PEOPLE}", 1_000 + number % _PEOPLE)


def _stamp(kind: int, place: int) -> Stamp:
    return Stamp(kind * 1_000_000_000 + place, EPOCH + timedelta(seconds=place))
