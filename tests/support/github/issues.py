"""Issues and pull requests of the GitHub for tests; their methods say what happens to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.support.github.records import (
    GHOST,
    Comment,
    Event,
    Label,
    Milestone,
    Moment,
    Review,
    ReviewComment,
    Stamp,
    User,
    sha_of,
)

if TYPE_CHECKING:
    from tests.support.github.repositories import Repository


@dataclass(slots=True, kw_only=True)
class Issue:
    """An issue; methods add what happens to it, and give it back."""

    number: int
    title: str
    body: str | None = None
    user: User | None = GHOST
    state: str = "open"
    labels: list[Label] = field(default_factory=list)
    milestone: Milestone | None = None
    assignees: list[User] = field(default_factory=list)
    is_locked: bool = False
    comments: Sequence[Comment] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    updated: datetime | None = None
    closed: datetime | None = None
    stamp: Stamp = field(default_factory=Stamp.fresh)

    def comment(self, body: str, *, by: User | None = None) -> Issue:
        assert isinstance(self.comments, list)
        self.comments.append(Comment(body, by))
        return self

    def event(self, name: str, *, by: User | None = None, **more: object) -> Issue:
        """Add an event of any kind, such as ``event("labeled", label={"name": "bug", "color": "f00"})``."""
        self.events.append(Event(name, by, more))
        return self

    def close(self, *, by: User | None = None) -> Issue:
        self.state = "closed"
        self.event("closed", by=by)
        self.closed = self.events[-1].stamp.at
        return self

    def moments(self) -> list[Moment]:
        """Give the timeline."""
        return sorted([*self.comments, *self.events], key=lambda each: each.stamp.at)


@dataclass(frozen=True, slots=True)
class Side:
    """The head or the base of a pull request; of a fork that is gone, ``repository`` is None.

    ``owner`` is None where the fork's account is gone as well.
    """

    ref: str
    sha: str
    owner: User | None
    repository: Repository | None


@dataclass(slots=True, kw_only=True)
class Pull(Issue):
    """A pull request."""

    head: Side
    base: Side
    is_draft: bool = False
    merged: datetime | None = None
    merged_by: User | None = None
    requested: list[User] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)
    review_comments: list[ReviewComment] = field(default_factory=list)

    def review(self, state: str, body: str = "", *, by: User | None = None) -> Pull:
        """Add a review: APPROVED, CHANGES_REQUESTED, COMMENTED or DISMISSED."""
        self.reviews.append(Review(state, body, by))
        return self

    def remark(self, body: str, *, by: User | None = None, **more: Any) -> Pull:
        """Add a comment to the difference, which belongs to the last review."""
        given: dict[str, Any] = {"path": "README.md", "hunk": "@@ -1 +1 @@\n-old\n+new", "line": 1} | more
        last = self.reviews[-1].stamp.id if self.reviews else None
        self.review_comments.append(ReviewComment(body, by, review_id=last, **given))
        return self

    def merge(self, *, by: User | None = None) -> Pull:
        self.state, self.merged_by = "closed", by
        self.event("merged", by=by, commit_id=sha_of(f"merge {self.number}")).event("closed", by=by)
        self.merged = self.closed = self.events[-1].stamp.at
        return self

    def moments(self) -> list[Moment]:
        return sorted([*self.comments, *self.events, *self.reviews], key=lambda each: each.stamp.at)
