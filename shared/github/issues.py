"""Maps an issue with its timeline: the unit of work. These are in memory, and no other issue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import UNSET, Raw

from shared.github.answers import Issue, LabelName
from shared.github.lists import Catalogue
from shared.github.notes import ISSUE, Noteable, NoteMaker
from shared.github.origin import Origin, author_of
from shared.github.statistics import Mapped, ObjectType, Subject, Tally, Unmappable, mapped_whole
from shared.github.texts import NO_UPLOADS, TextFormatter, cut_title
from shared.github.timeline import TimelineMapper, in_order
from shared.gitlab.activity_records import LabelLinkRecord
from shared.gitlab.issuable_records import AssigneeRecord, IssueRecord
from shared.gitlab.record_json import moment


class IssueMapper:
    """Maps issues, which refer to labels and milestones of the catalogue."""

    def __init__(self, origin: Origin, catalogue: Catalogue) -> None:
        self._origin = origin
        self._catalogue = catalogue
        self._texts = TextFormatter(origin)

    def map(
        self,
        issue: Raw,
        timeline: Iterable[Raw] = (),
        *,
        comments: Iterable[Raw] = (),
        uploads: Mapping[str, str] = NO_UPLOADS,
    ) -> Mapped[IssueRecord]:
        """Map an issue.

        ``comments`` may come from a list of their own; those that the timeline has, too, count once.
        """
        tally, children = Tally(), Tally()
        names, known = {"iid": "number", "title": "title"}, {"issuable_type": ISSUE}
        subject = Subject(ObjectType.ISSUE, issue, names, known)
        record = tally.attempt(subject, lambda: self._map(issue, timeline, comments, uploads, children))
        return mapped_whole(record, tally, children)

    def _map(
        self,
        raw: Raw,
        timeline: Iterable[Raw],
        comments: Iterable[Raw],
        uploads: Mapping[str, str],
        tally: Tally,
    ) -> IssueRecord:
        issue = msgspec.json.decode(raw, type=Issue)
        title = checked_title(issue.title)
        noteable = Noteable(ISSUE, issue.number)
        notes = NoteMaker(self._origin, noteable, uploads)
        mapper = TimelineMapper(self._origin, self._catalogue, noteable, notes, fallback=issue.updated_at)
        for item in timeline:
            mapper.take(item, tally)
        for comment in comments:
            mapper.take(comment, tally, event="commented")
        return self._record(issue, title, mapper, uploads)

    def _record(
        self, issue: Issue, title: str, mapper: TimelineMapper, uploads: Mapping[str, str]
    ) -> IssueRecord:
        author, created = author_of(issue.user), moment(issue.created_at)
        activity = mapper.activity
        number = None if issue.milestone is None else issue.milestone.number
        return IssueRecord(
            title=title,
            author_id=author.id,
            project_id=self._origin.repository_id,
            created_at=created,
            updated_at=moment(issue.updated_at),
            description=self._texts.format_optional(issue.body, author, uploads=uploads),
            iid=issue.number,
            closed_at=None if issue.closed_at is None else moment(issue.closed_at),
            closed_by_id=self._origin.mapped_id(issue.closed_by),
            state="closed" if issue.state == "closed" else "opened",
            events=activity.events,
            notes=in_order(activity.notes),
            label_links=label_links(self._catalogue, issue.labels, target=ISSUE, at=created),
            milestone=self._catalogue.milestone(number) or UNSET,
            resource_label_events=activity.resource_label_events,
            resource_milestone_events=activity.resource_milestone_events,
            resource_state_events=activity.resource_state_events,
            issue_assignees=[
                AssigneeRecord(user.id) for user in issue.assignees or () if self._origin.is_mapped(user)
            ],
        )


def checked_title(title: str) -> str:
    """Cut a title to what GitLab takes. Raises Unmappable where nothing is left of it."""
    title = cut_title(title)
    if not title.strip():
        raise Unmappable("Title can't be blank")
    return title


def label_links(
    catalogue: Catalogue, labels: Sequence[LabelName | str], *, target: str, at: str
) -> list[LabelLinkRecord]:
    """Give the labels of an issue or a pull request; one that the repository does not know is passed over."""
    names = dict.fromkeys(label if isinstance(label, str) else label.name or "" for label in labels)
    found = filter(None, map(catalogue.label, names))
    return [LabelLinkRecord(target_type=target, created_at=at, updated_at=at, label=label) for label in found]
