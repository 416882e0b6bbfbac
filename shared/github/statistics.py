"""The objects of an import that GitLab counts (``stats``), and what cannot be mapped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Generic, TypeVar

import msgspec
from msgspec import Raw

from shared.github.answers import UNREADABLE

T = TypeVar("T")

_LONGEST_IDENTIFIER = 256


class ObjectType(Enum):
    """The keys of ``stats``, and the relation names of what failed."""

    COLLABORATOR = "collaborator"
    DIFF_NOTE = "diff_note"
    ISSUE = "issue"
    ISSUE_ATTACHMENT = "issue_attachment"
    ISSUE_EVENT = "issue_event"
    LABEL = "label"
    LFS_OBJECT = "lfs_object"
    MERGE_REQUEST_ATTACHMENT = "merge_request_attachment"
    MILESTONE = "milestone"
    NOTE = "note"
    NOTE_ATTACHMENT = "note_attachment"
    PROTECTED_BRANCH = "protected_branch"
    PULL_REQUEST = "pull_request"
    PULL_REQUEST_MERGED_BY = "pull_request_merged_by"
    PULL_REQUEST_REVIEW = "pull_request_review"
    RELEASE = "release"
    RELEASE_ATTACHMENT = "release_attachment"


_VALID_ONLY = frozenset({ObjectType.LABEL, ObjectType.MILESTONE, ObjectType.RELEASE})
_TYPES_OF_EVENTS = {
    "commented": ObjectType.NOTE,
    "reviewed": ObjectType.PULL_REQUEST_REVIEW,
    "merged": ObjectType.PULL_REQUEST_MERGED_BY,
}


def object_type_of(event: str) -> ObjectType:
    """Give what an event of a timeline counts as."""
    return _TYPES_OF_EVENTS.get(event, ObjectType.ISSUE_EVENT)


class Unmappable(ValueError):
    """An object of GitHub cannot become a record of GitLab. ``Tally.attempt`` makes a failure of it."""


@dataclass(frozen=True, slots=True)
class MappingFailure:
    """An object that is left out, and why; the identifiers are those of GitLab's that can be read."""

    object_type: ObjectType
    external_identifiers: Mapping[str, int | str]
    exception_class: str
    message: str


@dataclass(frozen=True, slots=True)
class Subject:
    """What is mapped: an answer, and how GitLab identifies it.

    ``names`` are the names of the answer's members by GitLab's; ``known`` is what is not in the answer.
    """

    kind: ObjectType
    answer: Raw
    names: Mapping[str, str]
    known: Mapping[str, int | str] = field(default_factory=dict)

    @property
    def identifiers(self) -> dict[str, int | str]:
        """The identifiers that can be read, whatever the answer is."""
        try:
            members = msgspec.json.decode(self.answer, type=dict[str, Raw])
        except UNREADABLE:
            members = {}
        read = ((name, _identifier(members.get(key))) for name, key in self.names.items())
        return {**{name: value for name, value in read if value is not None}, **self.known}


def _identifier(value: Raw | None) -> int | str | None:
    if value is None:
        return None
    try:
        read = msgspec.json.decode(value, type=int | str)
    except UNREADABLE:
        return None
    return read[:_LONGEST_IDENTIFIER] if isinstance(read, str) else read


@dataclass(frozen=True, slots=True)
class Tally:
    """What came of some objects: how many were fetched and mapped, by type, and what failed."""

    fetched: Counter[ObjectType] = field(default_factory=Counter)
    imported: Counter[ObjectType] = field(default_factory=Counter)
    failures: list[MappingFailure] = field(default_factory=list)

    def attempt(self, subject: Subject, work: Callable[[], T]) -> T | None:
        """Count an object and give what it is mapped to; None where it cannot be, and a failure is kept.

        Of labels, milestones and releases those that fail do not count as fetched, as in GitLab.
        """
        try:
            record = work()
        except Unmappable as error:
            self._fail(subject, "ActiveRecord::RecordInvalid", f"Validation failed: {error}")
        except UNREADABLE as error:
            self._fail(subject, "ArgumentError", str(error))
        else:
            self.fetched[subject.kind] += 1
            self.imported[subject.kind] += 1
            return record
        return None

    def attempt_each(
        self, kind: ObjectType, page: Iterable[Raw], names: Mapping[str, str], work: Callable[[Raw], T]
    ) -> Iterator[T]:
        """Give what the objects of a page are mapped to, but for those that cannot be; see ``attempt``."""
        for raw in page:
            record = self.attempt(Subject(kind, raw, names), partial(work, raw))
            if record is not None:
                yield record

    def _fail(self, subject: Subject, exception_class: str, message: str) -> None:
        self.fetched[subject.kind] += subject.kind not in _VALID_ONLY
        self.failures.append(MappingFailure(subject.kind, subject.identifiers, exception_class, message))

    def add(self, other: Tally) -> None:
        """Count the other's in."""
        self.fetched.update(other.fetched)
        self.imported.update(other.imported)
        self.failures.extend(other.failures)

    @property
    def stats(self) -> dict[str, dict[str, int]]:
        """``stats`` of GitLab's entity: what was counted at all, keys in their order."""
        return {"fetched": _sorted(self.fetched), "imported": _sorted(self.imported)}


def _sorted(counts: Counter[ObjectType]) -> dict[str, int]:
    return dict(sorted((kind.value, count) for kind, count in counts.items() if count))


@dataclass(frozen=True, slots=True)
class Mapped(Generic[T]):
    """The record that an object became, None where it failed, and the count of all that it consists of."""

    record: T | None
    tally: Tally


def mapped_whole(record: T | None, tally: Tally, children: Tally) -> Mapped[T]:
    """Count what an object consists of, if it was mapped: else all of that failed with it."""
    if record is not None:
        tally.add(children)
    return Mapped(record, tally)
