"""What a timeline of GitHub's has, as far as it is mapped.

Its schema at GitHub is a loose ``anyOf``, so each item is held to the kind that it names.
"""

from __future__ import annotations

from datetime import datetime

from msgspec import UNSET, Raw, Struct, UnsetType, field

from shared.github.answers import User


class Comment(Struct, frozen=True):
    """``commented``; also a comment of ``/issues/comments`` and ``/issues/:number/comments``."""

    id: int
    created_at: datetime
    updated_at: datetime
    body: str | None = None
    user: User | None = None


class Review(Struct, frozen=True):
    """``reviewed``; also one of ``/pulls/:number/reviews``, whose states are in capitals.

    A pending one has no time.
    """

    id: int
    state: str
    body: str | None = None
    user: User | None = None
    submitted_at: datetime | None = None


class TimelineEvent(Struct, frozen=True):
    """What all events have."""

    event: str
    created_at: datetime
    actor: User | None = None


class EventLabel(Struct, frozen=True):
    """The label of an event, by its name."""

    name: str


class LabelEvent(TimelineEvent, frozen=True, kw_only=True):
    """``labeled``, ``unlabeled``."""

    label: EventLabel


class EventMilestone(Struct, frozen=True):
    """The milestone of an event, by its title at that time."""

    title: str


class MilestoneEvent(TimelineEvent, frozen=True, kw_only=True):
    """``milestoned``, ``demilestoned``."""

    milestone: EventMilestone


class StateEvent(TimelineEvent, frozen=True, kw_only=True):
    """``closed``, ``reopened``, ``merged``; ``commit_id`` is what closed it."""

    commit_id: str | None = None


class Rename(Struct, frozen=True):
    """The title before and after."""

    before: str = field(name="from")
    after: str = field(name="to")


class RenameEvent(TimelineEvent, frozen=True, kw_only=True):
    """``renamed``."""

    rename: Rename


class AssigneeEvent(TimelineEvent, frozen=True, kw_only=True):
    """``assigned``, ``unassigned``."""

    assignee: User | None = None


class Team(Struct, frozen=True):
    """A team of an organisation."""

    slug: str


class ReviewRequestEvent(TimelineEvent, frozen=True, kw_only=True):
    """``review_requested``, ``review_request_removed``: of a person or of a team."""

    requested_reviewer: User | None = None
    requested_team: Team | None = None
    review_requester: User | None = None


class NamedRepository(Struct, frozen=True):
    """A repository, by its name."""

    full_name: str


class SourceIssue(Struct, frozen=True):
    """The issue or pull request in which another was mentioned."""

    number: int
    pull_request: Raw | UnsetType = UNSET
    repository: NamedRepository | None = None


class Source(Struct, frozen=True):
    """Where something was mentioned."""

    issue: SourceIssue | None = None


class ReferenceEvent(TimelineEvent, frozen=True, kw_only=True):
    """``cross-referenced``; it has no id."""

    source: Source


TimelineItem = (
    Comment
    | Review
    | LabelEvent
    | MilestoneEvent
    | StateEvent
    | RenameEvent
    | AssigneeEvent
    | ReviewRequestEvent
    | ReferenceEvent
)

TIMELINE_KINDS: dict[str, type[TimelineItem]] = {
    "commented": Comment,
    "reviewed": Review,
    "labeled": LabelEvent,
    "unlabeled": LabelEvent,
    "milestoned": MilestoneEvent,
    "demilestoned": MilestoneEvent,
    "closed": StateEvent,
    "reopened": StateEvent,
    "merged": StateEvent,
    "renamed": RenameEvent,
    "assigned": AssigneeEvent,
    "unassigned": AssigneeEvent,
    "review_requested": ReviewRequestEvent,
    "review_request_removed": ReviewRequestEvent,
    "cross-referenced": ReferenceEvent,
}
"""The events of a timeline that are mapped; all others are passed over."""
