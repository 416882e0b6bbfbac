"""The small records of a repository of the GitHub for tests.

They get ids and times in the order in which they are made. A user that is None has been deleted.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeAlias

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_ids = count(1_000)


@dataclass(frozen=True, slots=True)
class User:
    """An account; ``email`` is the public one."""

    login: str
    id: int
    name: str | None = None
    email: str | None = None


GHOST = User("ghost", 10137)
"""The author of issues and pull requests of deleted accounts."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """The id of a record and the time it was made."""

    id: int = field(default_factory=lambda: next(_ids))
    at: datetime = EPOCH

    @classmethod
    def fresh(cls) -> Stamp:
        number = next(_ids)
        return cls(number, EPOCH + timedelta(minutes=number))


@dataclass(slots=True)
class Label:
    name: str
    color: str = "d73a4a"
    description: str | None = None
    stamp: Stamp = field(default_factory=Stamp.fresh)


@dataclass(slots=True)
class Milestone:
    number: int
    title: str
    description: str | None = None
    state: str = "open"
    due_on: datetime | None = None
    creator: User | None = None
    stamp: Stamp = field(default_factory=Stamp.fresh)


@dataclass(slots=True)
class Asset:
    """A file of a release, or an attachment of the web host."""

    name: str
    content: bytes
    kind: str = "application/octet-stream"
    stamp: Stamp = field(default_factory=Stamp.fresh)


@dataclass(slots=True)
class Release:
    tag: str
    name: str | None
    body: str | None
    author: User
    is_draft: bool = False
    is_prerelease: bool = False
    assets: list[Asset] = field(default_factory=list)
    stamp: Stamp = field(default_factory=Stamp.fresh)

    def asset(self, name: str, content: bytes, kind: str = "application/octet-stream") -> Release:
        self.assets.append(Asset(name, content, kind))
        return self


@dataclass(slots=True)
class Comment:
    body: str
    user: User | None
    stamp: Stamp = field(default_factory=Stamp.fresh)
    updated: datetime | None = None


@dataclass(slots=True)
class Event:
    """An event of an issue; ``more`` are the members of its kind that need no address, as GitHub has them.

    Members that are a User, or an Issue as ``source``, are rendered.
    """

    name: str
    user: User | None
    more: dict[str, Any] = field(default_factory=dict)
    stamp: Stamp = field(default_factory=Stamp.fresh)


@dataclass(slots=True)
class Review:
    """``state`` is as in the list of reviews; timelines have it in lower case."""

    state: str
    body: str
    user: User | None
    stamp: Stamp = field(default_factory=Stamp.fresh)


@dataclass(slots=True)
class ReviewComment:
    """``line`` None is outdated; of a reply, ``reply_to`` is the id of the first comment of its thread."""

    body: str
    user: User | None
    path: str
    hunk: str
    line: int | None
    start_line: int | None = None
    side: str = "RIGHT"
    subject: str = "line"
    review_id: int | None = None
    reply_to: int | None = None
    stamp: Stamp = field(default_factory=Stamp.fresh)


Moment: TypeAlias = Comment | Event | Review


def sha_of(text: str) -> str:
    """Give what may be the name of a commit."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
