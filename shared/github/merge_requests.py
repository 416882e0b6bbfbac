"""Maps a pull request with its timeline and review comments: the unit of work, as an issue is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec
from msgspec import UNSET, Raw

from shared.github.answers import PullRequest, ReviewComment
from shared.github.diff_notes import DiffNoteMaker
from shared.github.issues import checked_title, label_links
from shared.github.lists import Catalogue
from shared.github.notes import MERGE_REQUEST, Noteable, NoteMaker
from shared.github.origin import Origin, author_of, is_ghost
from shared.github.statistics import Mapped, ObjectType, Subject, Tally, mapped_whole
from shared.github.texts import NO_UPLOADS, TextFormatter
from shared.github.timeline import Reviewing, TimelineMapper, in_order
from shared.gitlab.activity_records import NoteRecord
from shared.gitlab.issuable_records import (
    ApprovalRecord,
    DiffRecord,
    MergeRequestRecord,
    MetricsRecord,
    ParticipantRecord,
)
from shared.gitlab.record_json import moment


@dataclass(frozen=True, slots=True)
class PullRequestAnswers:
    """What GitHub answers of one pull request.

    ``timeline`` has comments and reviews; they may come from lists of their own, and count once.
    ``review_comments`` are those on lines.
    """

    pull: Raw
    timeline: Sequence[Raw] = ()
    review_comments: Sequence[Raw] = ()
    comments: Sequence[Raw] = ()
    reviews: Sequence[Raw] = ()


@dataclass(frozen=True, slots=True)
class SourceBranch:
    """A branch that a merge request is from, and the commit at its end."""

    name: str
    sha: str


def source_branch(pull: PullRequest) -> str:
    """Give the branch that a merge request is from; one of a fork is called for the owner of that."""
    head, base = pull.head, pull.base
    is_of_fork = head.repo is None or base.repo is None or head.repo.id != base.repo.id
    if is_of_fork and head.user is not None:
        return f"github/fork/{head.user.login}/{head.ref}"
    return f"{head.ref}-{pull.number}" if head.ref == base.ref else head.ref


def branch_to_make(pull: PullRequest) -> SourceBranch | None:
    """Give the branch that an open merge request needs, to be made where the repository has none of it."""
    return SourceBranch(source_branch(pull), pull.head.sha) if _state(pull) == "opened" else None


def _state(pull: PullRequest) -> str:
    if pull.merged_at is not None:
        return "merged"
    return "opened" if pull.state == "open" else "closed"


class PullRequestMapper:
    """Maps pull requests, which refer to labels and milestones of the catalogue."""

    def __init__(self, origin: Origin, catalogue: Catalogue) -> None:
        self._origin = origin
        self._catalogue = catalogue
        self._texts = TextFormatter(origin)

    def map(
        self, answers: PullRequestAnswers, *, uploads: Mapping[str, str] = NO_UPLOADS
    ) -> Mapped[MergeRequestRecord]:
        """Map a pull request; its diff is told by its commits, between which the repository has it."""
        tally, children = Tally(), Tally()
        names, known = {"iid": "number", "title": "title"}, {"issuable_type": MERGE_REQUEST}
        subject = Subject(ObjectType.PULL_REQUEST, answers.pull, names, known)
        record = tally.attempt(subject, lambda: self._map(answers, uploads, children))
        return mapped_whole(record, tally, children)

    def _map(
        self, answers: PullRequestAnswers, uploads: Mapping[str, str], tally: Tally
    ) -> MergeRequestRecord:
        pull = msgspec.json.decode(answers.pull, type=PullRequest)
        title = checked_title(pull.title)
        noteable = Noteable(MERGE_REQUEST, pull.number)
        notes = NoteMaker(self._origin, noteable, uploads)
        mapper = TimelineMapper(self._origin, self._catalogue, noteable, notes, fallback=pull.updated_at)
        for item in answers.timeline:
            mapper.take(item, tally)
        for comment in answers.comments:
            mapper.take(comment, tally, event="commented")
        for review in answers.reviews:
            mapper.take(review, tally, event="reviewed")
        mapper.activity.notes += self._diff_notes(answers.review_comments, pull, notes, tally)
        mapper.activity.notes += self._merger_told(mapper.reviewing, notes)
        return self._record(pull, title, mapper, uploads)

    def _diff_notes(
        self, comments: Iterable[Raw], pull: PullRequest, notes: NoteMaker, tally: Tally
    ) -> Iterable[NoteRecord]:
        maker = DiffNoteMaker(pull, notes)
        known: dict[str, int | str] = {"noteable_iid": pull.number, "noteable_type": MERGE_REQUEST}
        for raw in comments:
            subject = Subject(ObjectType.DIFF_NOTE, raw, {"note_id": "id"}, known)
            note = tally.attempt(subject, partial(_diff_note, raw, maker))
            if note is not None:
                yield note

    def _merger_told(self, reviewing: Reviewing, notes: NoteMaker) -> Iterable[NoteRecord]:
        merged = reviewing.merged
        if merged is None or merged.actor is None or is_ghost(merged.actor):
            return
        if not self._origin.is_mapped(merged.actor):
            yield notes.merged_by(merged.actor, merged.created_at)

    def _record(
        self, pull: PullRequest, title: str, mapper: TimelineMapper, uploads: Mapping[str, str]
    ) -> MergeRequestRecord:
        author, created = author_of(pull.user), moment(pull.created_at)
        activity, metrics = mapper.activity, self._metrics(pull, mapper.reviewing)
        number = None if pull.milestone is None else pull.milestone.number
        return MergeRequestRecord(
            target_branch=pull.base.ref,
            source_branch=source_branch(pull),
            source_project_id=self._origin.repository_id,
            author_id=author.id,
            title=title,
            created_at=created,
            updated_at=moment(pull.updated_at),
            target_project_id=self._origin.repository_id,
            iid=pull.number,
            description=self._texts.format_optional(pull.body, author, uploads=uploads),
            merge_user_id=metrics.merged_by_id,
            merge_commit_sha=None if pull.merged_at is None else pull.merge_commit_sha,
            draft=bool(pull.draft),
            diff_head_sha=pull.head.sha,
            source_branch_sha=pull.head.sha,
            target_branch_sha=pull.base.sha,
            state=_state(pull),
            approvals=_approvals(mapper.reviewing),
            metrics=metrics,
            merge_request_assignees=self._assignees(pull),
            merge_request_reviewers=self._reviewers(mapper.reviewing),
            notes=in_order(activity.notes),
            merge_request_diff=_diff(pull),
            events=activity.events,
            label_links=label_links(self._catalogue, pull.labels, target=MERGE_REQUEST, at=created),
            milestone=self._catalogue.milestone(number) or UNSET,
            resource_label_events=activity.resource_label_events,
            resource_milestone_events=activity.resource_milestone_events,
            resource_state_events=activity.resource_state_events,
        )

    def _metrics(self, pull: PullRequest, reviewing: Reviewing) -> MetricsRecord:
        merged, closed = reviewing.merged, reviewing.closed
        is_closed = _state(pull) == "closed"
        return MetricsRecord(
            created_at=moment(pull.created_at),
            updated_at=moment(pull.updated_at),
            merged_at=None if pull.merged_at is None else moment(pull.merged_at),
            merged_by_id=self._origin.mapped_id(merged.actor) if merged else None,
            latest_closed_at=moment(pull.closed_at) if is_closed and pull.closed_at else None,
            latest_closed_by_id=self._origin.mapped_id(closed.actor) if is_closed and closed else None,
            target_project_id=self._origin.repository_id,
        )

    def _assignees(self, pull: PullRequest) -> list[ParticipantRecord]:
        at = moment(pull.created_at)
        return [
            ParticipantRecord(user_id=user.id, created_at=at)
            for user in pull.assignees or ()
            if self._origin.is_mapped(user)
        ]

    def _reviewers(self, reviewing: Reviewing) -> list[ParticipantRecord]:
        """Give those whose review was asked for and is still; who reviewed unasked is none."""
        return [
            ParticipantRecord(
                user_id=user.id,
                created_at=moment(asked),
                state="reviewed" if user.id in reviewing.reviewed else "unreviewed",
            )
            for user, asked in reviewing.requested.values()
            if self._origin.is_mapped(user)
        ]


def _diff_note(raw: Raw, maker: DiffNoteMaker) -> NoteRecord:
    return maker.note(msgspec.json.decode(raw, type=ReviewComment))


def _approvals(reviewing: Reviewing) -> list[ApprovalRecord]:
    times = ((number, moment(at)) for number, at in reviewing.approved.items())
    return [ApprovalRecord(user_id=number, created_at=at, updated_at=at) for number, at in times]


def _diff(pull: PullRequest) -> DiffRecord:
    return DiffRecord(
        created_at=moment(pull.created_at),
        updated_at=moment(pull.updated_at),
        base_commit_sha=pull.base.sha,
        real_size=str(pull.changed_files),
        head_commit_sha=pull.head.sha,
        start_commit_sha=pull.base.sha,
        commits_count=pull.commits,
        files_count=pull.changed_files,
    )
