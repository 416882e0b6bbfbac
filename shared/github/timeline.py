"""Maps a timeline to notes, resource events and events; what GitLab has no record of is passed over."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import assert_never

import msgspec
from msgspec import UNSET, Raw, Struct

from shared.github.answers import UNREADABLE, User, is_given
from shared.github.lists import Catalogue
from shared.github.notes import Noteable, NoteMaker
from shared.github.origin import Origin, author_of
from shared.github.statistics import ObjectType, Subject, Tally, object_type_of
from shared.github.texts import quote_mentions, rename_text
from shared.github.timeline_answers import (
    TIMELINE_KINDS,
    AssigneeEvent,
    Comment,
    LabelEvent,
    MilestoneEvent,
    ReferenceEvent,
    RenameEvent,
    Review,
    ReviewRequestEvent,
    SourceIssue,
    StateEvent,
    TimelineItem,
)
from shared.gitlab.activity_records import (
    Activity,
    EventRecord,
    NoteRecord,
    ResourceLabelEventRecord,
    ResourceMilestoneEventRecord,
    ResourceStateEventRecord,
)
from shared.gitlab.record_json import moment

_NULL = Raw(b"null")
_MILESTONE_STATE = "opened"  # of the issue; GitHub does not tell it, and GitLab shows it nowhere


class _Head(Struct):
    event: str = ""
    id: Raw = _NULL


_LISTED = frozenset({ObjectType.NOTE, ObjectType.PULL_REQUEST_REVIEW})


@dataclass(slots=True)
class Reviewing:
    """Who has to do with the review of a pull request, by account: when it began for each."""

    requested: dict[int, tuple[User, datetime]] = field(default_factory=dict)
    reviewed: set[int] = field(default_factory=set)
    approved: dict[int, datetime] = field(default_factory=dict)
    merged: StateEvent | None = None
    closed: StateEvent | None = None


class TimelineMapper:
    """Maps the timeline of one issue or pull request, item by item, into ``activity`` and ``reviewing``.

    Comments and reviews may also come from lists of their own: an id counts once. ``fallback`` is the time of
    a review that was not submitted.
    """

    def __init__(
        self,
        origin: Origin,
        catalogue: Catalogue,
        noteable: Noteable,
        notes: NoteMaker,
        *,
        fallback: datetime,
    ) -> None:
        self.activity = Activity()
        self.reviewing = Reviewing()
        self._origin = origin
        self._catalogue = catalogue
        self._noteable = noteable
        self._notes = notes
        self._fallback = fallback
        self._seen: set[tuple[ObjectType, bytes]] = set()

    def take(self, answer: Raw, tally: Tally, *, event: str = "") -> None:
        """Map an item; ``event`` is what it is, where it comes from a list of comments or of reviews."""
        head = _head(answer)
        event = event or head.event
        kind = TIMELINE_KINDS.get(event)
        if kind is None or not self._is_new(object_type_of(event), head):
            return
        subject = self._subject(event, answer)
        tally.attempt(subject, lambda: self._map(msgspec.json.decode(answer, type=kind)))

    def _is_new(self, kind: ObjectType, head: _Head) -> bool:
        """Tell whether a comment or a review has not come yet; events come from the timeline alone."""
        if kind not in _LISTED or head.id == _NULL:
            return True
        key = (kind, bytes(head.id))
        is_new = key not in self._seen
        self._seen.add(key)
        return is_new

    def _subject(self, event: str, answer: Raw) -> Subject:
        match object_type_of(event):
            case ObjectType.NOTE:
                known: dict[str, int | str] = {"noteable_iid": self._noteable.iid}
                known["noteable_type"] = self._noteable.type
                return Subject(ObjectType.NOTE, answer, {"note_id": "id"}, known)
            case ObjectType.PULL_REQUEST_REVIEW as kind:
                return Subject(kind, answer, {"review_id": "id"}, {"merge_request_iid": self._noteable.iid})
            case kind:
                return Subject(
                    kind, answer, {"id": "id"}, {"issuable_iid": self._noteable.iid, "event": event}
                )

    def _map(self, item: TimelineItem) -> None:
        match item:
            case Comment():
                self.activity.notes.append(self._notes.comment(item))
            case Review():
                self._review(item)
            case LabelEvent():
                self._label(item)
            case MilestoneEvent():
                self._milestone(item)
            case StateEvent():
                self._state(item)
            case RenameEvent():
                text = rename_text(item.rename.before, item.rename.after)
                self._tell(quote_mentions(text), item.actor, action="title", at=item.created_at)
            case AssigneeEvent():
                self._assignee(item)
            case ReviewRequestEvent():
                self._reviewer(item)
            case ReferenceEvent():
                self._reference(item)
            case _:
                assert_never(item)

    def _review(self, review: Review) -> None:
        submitted = review.submitted_at or self._fallback
        author = author_of(review.user)
        self.reviewing.reviewed.add(author.id)
        if (note := self._notes.review(review, submitted)) is not None:
            self.activity.notes.append(note)
        is_approval = review.state.lower() == "approved" and self._origin.is_mapped(author)
        if is_approval and author.id not in self.reviewing.approved:
            self.reviewing.approved[author.id] = submitted
            self._tell("approved this merge request", author, action="approved", at=submitted)

    def _label(self, event: LabelEvent) -> None:
        record = ResourceLabelEventRecord(
            action="add" if event.event == "labeled" else "remove",
            user_id=author_of(event.actor).id,
            created_at=moment(event.created_at),
            label=self._catalogue.label(event.label.name) or UNSET,
        )
        self.activity.resource_label_events.append(record)

    def _milestone(self, event: MilestoneEvent) -> None:
        """Map an event of a milestone that still has its title; GitHub keeps no other name of it."""
        milestone = self._catalogue.titled(event.milestone.title)
        if milestone is None:
            return
        record = ResourceMilestoneEventRecord(
            user_id=author_of(event.actor).id,
            action="add" if event.event == "milestoned" else "remove",
            created_at=moment(event.created_at),
            state=_MILESTONE_STATE,
            milestone=milestone,
        )
        self.activity.resource_milestone_events.append(record)

    def _state(self, event: StateEvent) -> None:
        actor, at = author_of(event.actor), moment(event.created_at)
        if event.event == "merged":
            self.reviewing.merged = event
        elif event.event == "closed":
            self.reviewing.closed = event
        state = ResourceStateEventRecord(
            user_id=actor.id, state=event.event, created_at=at, source_commit=event.commit_id
        )
        self.activity.resource_state_events.append(state)
        shown = EventRecord(
            project_id=self._origin.repository_id,
            author_id=actor.id,
            created_at=at,
            updated_at=at,
            action=event.event,
            target_type=self._noteable.type,
        )
        self.activity.events.append(shown)

    def _assignee(self, event: AssigneeEvent) -> None:
        words = "assigned to" if event.event == "assigned" else "unassigned"
        self._tell(
            f"{words} {self._mention(event.assignee)}", event.actor, action="assignee", at=event.created_at
        )

    def _reviewer(self, event: ReviewRequestEvent) -> None:
        is_request = event.event == "review_requested"
        reviewer = event.requested_reviewer
        if reviewer is not None:
            self.reviewing.requested.pop(reviewer.id, None)
            if is_request:
                self.reviewing.requested[reviewer.id] = (reviewer, event.created_at)
        team = event.requested_team
        name = f"`@{team.slug}`" if team is not None else self._mention(reviewer)
        words = "requested review from" if is_request else "removed review request for"
        actor = event.review_requester or event.actor
        self._tell(f"{words} {name}", actor, action="reviewer", at=event.created_at)

    def _reference(self, event: ReferenceEvent) -> None:
        """Tell where this was mentioned, if that is in the same repository: others are not here."""
        issue = event.source.issue
        if issue is None or not self._is_here(issue):
            return
        place = f"merge request !{issue.number}" if is_given(issue.pull_request) else f"issue #{issue.number}"
        self._tell(f"mentioned in {place}", event.actor, action="cross_reference", at=event.created_at)

    def _is_here(self, issue: SourceIssue) -> bool:
        repository = issue.repository
        return repository is None or repository.full_name.lower() == self._origin.full_name.lower()

    def _mention(self, user: User | None) -> str:
        """Name somebody without notifying anybody."""
        user = author_of(user)
        person = self._origin.people.find(user)
        return f"`@{person.username if person else user.login}`"

    def _tell(self, text: str, actor: User | None, *, action: str, at: datetime) -> None:
        note = self._notes.system_note(text, author_of(actor), action=action, created=at)
        self.activity.notes.append(note)


def in_order(notes: list[NoteRecord]) -> list[NoteRecord]:
    """Give notes in the order of time; GitLab's form of times sorts as text."""
    return sorted(notes, key=lambda note: note.created_at)


def _head(answer: Raw) -> _Head:
    try:
        return msgspec.json.decode(answer, type=_Head)
    except UNREADABLE:
        return _Head()
