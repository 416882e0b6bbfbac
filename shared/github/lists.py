"""Maps the short lists of a repository: labels, milestones, releases; and its own attributes.

Pages come as raw JSON, one element after another, so that one that is broken is one failure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

import msgspec
from msgspec import Raw

from shared.github.answers import Asset, Label, Milestone, Release, Repository
from shared.github.origin import Origin, author_of
from shared.github.statistics import ObjectType, Tally, Unmappable
from shared.github.texts import NO_UPLOADS, TextFormatter, without_nul
from shared.gitlab.record_json import day, moment
from shared.gitlab.records import LabelRecord, LinkRecord, MilestoneRecord, ProjectRecord, ReleaseRecord
from shared.gitlab.visibility import Visibility

MOST = 20_000
"""Labels, and milestones, that issues may refer to."""

_LONGEST_NAME = 255
_COLOR = re.compile(r"[0-9a-fA-F]{3}|[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The labels by name and the milestones by number and title, to which issues refer.

    It holds the first 20,000 of each, in about a kilobyte for one; what many repositories have is hundreds.
    """

    labels: dict[str, LabelRecord] = field(default_factory=dict)
    milestones: dict[int, MilestoneRecord] = field(default_factory=dict)
    titles: dict[str, MilestoneRecord] = field(default_factory=dict)

    def label(self, name: str) -> LabelRecord | None:
        """Give the label of that name at GitHub."""
        return self.labels.get(without_nul(name).strip())

    def milestone(self, number: int | None) -> MilestoneRecord | None:
        """Give the milestone of that number."""
        return None if number is None else self.milestones.get(number)

    def titled(self, title: str) -> MilestoneRecord | None:
        """Give the milestone that has this title now."""
        return self.titles.get(without_nul(title).strip())

    def add_label(self, label: LabelRecord) -> bool:
        """Take a label that was mapped; tell whether there was place for it."""
        has_place = len(self.labels) < MOST
        if has_place:
            self.labels[label.title] = label
        return has_place

    def add_milestone(self, milestone: MilestoneRecord) -> bool:
        """Take a milestone that was mapped; tell whether there was place for it."""
        has_place = len(self.milestones) < MOST
        if has_place:
            self.milestones[milestone.iid] = self.titles[milestone.title] = milestone
        return has_place


def map_project(
    repository: Repository,
    *,
    namespace_visibility: Visibility,
    must_resolve_discussions: bool = False,
) -> ProjectRecord:
    """Map the repository itself; ``must_resolve_discussions`` is of the protection of its default branch."""
    level = Visibility.PRIVATE if repository.private else namespace_visibility
    description = repository.description
    return ProjectRecord(
        description=None if description is None else without_nul(description),
        visibility_level=level,
        only_allow_merge_if_all_discussions_are_resolved=must_resolve_discussions,
        default_branch=repository.default_branch,
    )


def map_labels(page: Iterable[Raw], origin: Origin, tally: Tally) -> Iterator[LabelRecord]:
    """Map a page of ``/labels``."""
    return tally.attempt_each(ObjectType.LABEL, page, {"title": "name"}, partial(_label, origin=origin))


def _label(raw: Raw, origin: Origin) -> LabelRecord:
    label = msgspec.json.decode(raw, type=Label)
    title = _checked_name(label.name, "Title")
    if "," in title:
        raise Unmappable("Title is invalid")
    if not _COLOR.fullmatch(label.color or ""):
        raise Unmappable("Color must be a valid color code")
    now = moment(origin.now)
    return LabelRecord(
        title=title,
        color=f"#{label.color}",
        project_id=origin.repository_id,
        created_at=now,
        updated_at=now,
        description=None if label.description is None else without_nul(label.description),
    )


def _checked_name(text: str, attribute: str) -> str:
    """Give a name without surrounding blanks, as GitLab validates it. Raises Unmappable."""
    name = without_nul(text).strip()
    if not name:
        raise Unmappable(f"{attribute} can't be blank")
    if len(name) > _LONGEST_NAME:
        raise Unmappable(f"{attribute} is too long (maximum is {_LONGEST_NAME} characters)")
    return name


def map_milestones(page: Iterable[Raw], origin: Origin, tally: Tally) -> Iterator[MilestoneRecord]:
    """Map a page of ``/milestones?state=all``."""
    names = {"iid": "number", "title": "title"}
    return tally.attempt_each(ObjectType.MILESTONE, page, names, partial(_milestone, origin=origin))


def _milestone(raw: Raw, origin: Origin) -> MilestoneRecord:
    milestone = msgspec.json.decode(raw, type=Milestone)
    description = milestone.description
    return MilestoneRecord(
        iid=milestone.number,
        title=_checked_name(milestone.title, "Title"),
        project_id=origin.repository_id,
        description="" if description is None else without_nul(description),
        due_date=None if milestone.due_on is None else day(milestone.due_on),
        created_at=moment(milestone.created_at),
        updated_at=moment(milestone.updated_at),
        state="closed" if milestone.state == "closed" else "active",
    )


class ReleaseMapper:
    """Maps releases: one of a tag, the first. ``tags`` are those of earlier pages, and it adds to them."""

    def __init__(self, origin: Origin, tags: set[str]) -> None:
        self._origin = origin
        self._texts = TextFormatter(origin)
        self._tags = tags

    def map(
        self, page: Iterable[Raw], tally: Tally, *, uploads: Mapping[str, str] = NO_UPLOADS
    ) -> Iterator[ReleaseRecord]:
        """Map a page of ``/releases``, with drafts where GitHub shows them."""
        release = partial(self._release, uploads=uploads)
        return tally.attempt_each(ObjectType.RELEASE, page, {"tag": "tag_name"}, release)

    def _release(self, raw: Raw, uploads: Mapping[str, str]) -> ReleaseRecord:
        release = msgspec.json.decode(raw, type=Release)
        tag = _checked_name(release.tag_name, "Tag")
        if tag in self._tags:
            raise Unmappable("Tag has already been taken")
        author = author_of(release.author)
        text = self._texts.format(release.body or "", author, uploads=uploads)
        text = "\n\n".join(filter(None, (text, _files(release.assets, uploads))))
        record = ReleaseRecord(
            tag=tag,
            description=text or f"Release for tag {tag}",
            project_id=self._origin.repository_id,
            author_id=author.id,
            created_at=moment(release.created_at),
            updated_at=moment(release.created_at),
            name=without_nul(release.name or "") or tag,
            released_at=moment(release.published_at or self._origin.now),
            links=_links(each for each in release.assets if each.browser_download_url not in uploads),
        )
        self._tags.add(tag)
        return record


def _files(assets: Iterable[Asset], uploads: Mapping[str, str]) -> str:
    """List the files of a release that are uploads: its links have to lead to another server."""
    there = [asset for asset in assets if asset.browser_download_url in uploads]
    return "\n".join(f"* [{_escaped(asset.name)}]({uploads[asset.browser_download_url]})" for asset in there)


def _escaped(name: str) -> str:
    return re.sub(r"([\\\[\]])", r"\\\1", without_nul(name))


def _links(assets: Iterable[Asset]) -> list[LinkRecord]:
    """Give the files of a release as links, each name and address once, as GitLab wants them."""
    unique = {asset.name: asset for asset in {asset.browser_download_url: asset for asset in assets}.values()}
    return [
        LinkRecord(
            url=asset.browser_download_url,
            name=name,
            created_at=moment(asset.created_at),
            updated_at=moment(asset.updated_at),
        )
        for name, asset in unique.items()
    ]
