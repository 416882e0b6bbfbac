"""JSON of records, made from the lines of an archive, as far as the archive has GitLab's attributes.

Values keep the bytes of the archive. Only declared attributes are decoded, whatever else a line has.
Archives have no ids and, for issues and merge requests, no authors. ``author`` is null. ``id`` has the
project's id in the high bits and the record's number in its relation, from 1, in the low 32 bits, so that the
same content always has the same ids, and clients can hold them exactly in floating point numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from shared.gitlab.visibility import VISIBILITIES
from shared.projects.models import Project
from shared.records.fields import Fields, read_list, read_object, reader
from shared.records.filters import labels_of, state_of
from shared.usecases.policy import Kind, Policy

_NUMBER_BITS = 32
_VISIBILITY = {level.value: word for word, level in VISIBILITIES.items()}

_LINK = ("name", "url", "link_type")
_MILESTONE = (
    "iid", "title", "description", "state", "created_at", "updated_at", "due_date", "start_date",
)  # fmt: skip
_milestone = reader(*_MILESTONE)
_metrics = reader("merged_at", "latest_closed_at")
_work_item_type = reader("base_type")


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a record: its project, its number in the relation, from 1, and what its reader may see."""

    project: Project
    number: int
    external_url: str
    policy: Policy

    @property
    def id(self) -> int:
        """The id of the record, unique among this relation's records of all projects."""
        return (self.project.id << _NUMBER_BITS) + self.number

    @staticmethod
    def number_of(project: Project, record_id: int) -> int | None:
        """Return the number, from 0, of the record with this id; None if it is not one of the project."""
        of, number = divmod(record_id, 1 << _NUMBER_BITS)
        return number - 1 if of == project.id and number else None

    def web_url(self, page: str, name: object) -> str:
        """Return the URL of the record's page."""
        return f"{self.external_url}/{self.project.full_path}/-/{page}/{name}"


@dataclass(frozen=True, slots=True)
class RecordEntity:
    """The JSON of a relation's records: the attributes to decode, and the function that makes the entity."""

    relation: str
    attributes: tuple[str, ...]
    make: Callable[[Fields, Place], dict[str, Any]]

    def encode(self, line: bytes, place: Place) -> bytes:
        """Make the JSON of a record from its line."""
        return msgspec.json.encode(self.make(reader(*self.attributes)(line), place))


def _issue(fields: Fields, place: Place) -> dict[str, Any]:
    kind = fields.text("issue_type") or read_object(fields, "work_item_type", _work_item_type).text(
        "base_type"
    )
    return _issuable(fields, place, page="issues") | {
        "closed_at": fields.scalar("closed_at"),
        "assignees": [],
        "type": (kind or "issue").upper(),
        "issue_type": kind or "issue",
        **fields.scalars("confidential", "discussion_locked", "due_date", "weight"),
    }


def _merge_request(fields: Fields, place: Place) -> dict[str, Any]:
    metrics = read_object(fields, "metrics", _metrics)
    return _issuable(fields, place, page="merge_requests") | {
        "merged_at": metrics.scalar("merged_at"),
        "closed_at": metrics.scalar("latest_closed_at"),
        "assignees": [],
        "reviewers": [],
        "sha": fields.scalar("diff_head_sha"),
        **fields.scalars("target_branch", "source_branch", "draft", "merge_status", "merge_commit_sha",
                         "squash_commit_sha", "squash", "discussion_locked"),
    }  # fmt: skip


def _issuable(fields: Fields, place: Place, *, page: str) -> dict[str, Any]:
    """Make the attributes that issues and merge requests have in common."""
    return {
        "id": place.id,
        "iid": fields.scalar("iid"),
        "project_id": place.project.id,
        **fields.scalars("title", "description"),
        "state": state_of(fields),
        **fields.scalars("created_at", "updated_at"),
        "labels": labels_of(fields),
        "milestone": _milestone_of(fields, place),
        "author": None,
        "web_url": place.web_url(page, fields.number("iid")),
    }


def _milestone_of(fields: Fields, place: Place) -> dict[str, Any] | None:
    milestone = read_object(fields, "milestone", _milestone)
    if milestone.text("title") is None:
        return None
    return {"id": None, "project_id": place.project.id, **milestone.scalars(*_MILESTONE)}


def _milestone_entity(fields: Fields, place: Place) -> dict[str, Any]:
    web_url = place.web_url("milestones", fields.number("iid"))
    return {
        "id": place.id, "project_id": place.project.id, **fields.scalars(*_MILESTONE), "web_url": web_url,
    }  # fmt: skip


def _label_entity(fields: Fields, place: Place) -> dict[str, Any]:
    priorities = read_list(fields, "priorities", "priority")
    return {
        "id": place.id,
        "name": fields.scalar("title"),
        **fields.scalars("description", "color"),
        "priority": priorities[0].scalar("priority") if priorities else None,
        "is_project_label": fields.text("type") != "GroupLabel",
    }


def _release(fields: Fields, place: Place) -> dict[str, Any]:
    """Make a release. Who may not read the code gets neither its tag and commit nor its sources."""
    links = [_link_entity(link) for link in read_list(fields, "links", *_LINK)]
    reads_code = place.policy.may_list(Kind.CODE)
    return {
        **({"tag_name": fields.scalar("tag")} if reads_code else {}),
        **fields.scalars("name", "description", "created_at", "released_at"),
        "author": None,
        **({"commit": {"id": fields.scalar("sha")}} if reads_code else {}),
        "milestones": _milestones_of_release(fields, place),
        "assets": {"count": len(links), **({"sources": []} if reads_code else {}), "links": links},
    }


def _milestones_of_release(fields: Fields, place: Place) -> list[dict[str, Any]]:
    if not place.policy.may_list(Kind.MILESTONES):
        return []
    milestones = (_milestone_of(each, place) for each in read_list(fields, "milestone_releases", "milestone"))
    return list(filter(None, milestones))


def _link_entity(fields: Fields) -> dict[str, Any]:
    return {"id": None, **fields.scalars(*_LINK), "direct_asset_url": fields.scalar("url")}


def _snippet(fields: Fields, place: Place) -> dict[str, Any]:
    return {
        "id": place.id,
        **fields.scalars("title", "file_name", "description"),
        "visibility": _VISIBILITY.get(fields.number("visibility_level") or 0),
        "author": None,
        **fields.scalars("created_at", "updated_at"),
        "project_id": place.project.id,
        "web_url": place.web_url("snippets", place.id),
    }


_ISSUABLE = (
    "iid", "title", "description", "state", "state_id", "created_at", "updated_at", "label_links",
    "milestone", "discussion_locked",
)  # fmt: skip

ISSUES = RecordEntity(
    "issues",
    (*_ISSUABLE, "closed_at", "issue_type", "work_item_type", "confidential", "due_date", "weight"),
    _issue,
)
MERGE_REQUESTS = RecordEntity(
    "merge_requests",
    (*_ISSUABLE, "metrics", "diff_head_sha", "target_branch", "source_branch", "draft", "merge_status",
     "merge_commit_sha", "squash_commit_sha", "squash"),
    _merge_request,
)  # fmt: skip
LABELS = RecordEntity("labels", ("title", "description", "color", "type", "priorities"), _label_entity)
MILESTONES = RecordEntity("milestones", _MILESTONE, _milestone_entity)
RELEASES = RecordEntity(
    "releases",
    ("tag", "name", "description", "created_at", "released_at", "sha", "links", "milestone_releases"),
    _release,
)
SNIPPETS = RecordEntity(
    "snippets",
    ("title", "file_name", "description", "visibility_level", "created_at", "updated_at"),
    _snippet,
)
