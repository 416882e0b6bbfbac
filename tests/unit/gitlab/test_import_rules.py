from __future__ import annotations

import json

import pytest

from shared.gitlab import iids
from shared.gitlab.import_rules import DuplicateNumbers, Effect
from shared.gitlab.record_shapes import shape_faults

PULL_REQUEST = dict.fromkeys(
    ("source_branch", "target_branch", "source_sha", "target_sha", "source_repository", "target_repository"),
    "x",
)


def refused(relation: str, **record: object) -> list[tuple[str, str]]:
    found = shape_faults(json.dumps(record).encode(), relation, depth=100)
    return [
        (fault.field, fault.effect.value)
        for fault in found
        if fault.effect in (Effect.DROPS_RECORD, Effect.DROPS_NESTED)
    ]


@pytest.mark.parametrize(
    ("relation", "record", "field"),
    [
        ("issues", {"title": " "}, "title"),
        ("merge_requests", {"title": "t", "source_branch": "a"}, "target_branch"),
        ("snippets", {"title": "t", "content": None}, "content"),
        ("commit_notes", {"note": "n", "noteable_type": "Commit"}, "commit_id"),
        ("external_pull_requests", PULL_REQUEST, "status"),
        ("project_members", {"user": {"id": 1}}, "access_level"),
        ("project_members", {"user": {"id": 1}, "access_level": 35}, "access_level"),
        ("project_members", {"access_level": 30}, "user"),
    ],
)
def test_a_record_without_what_its_model_requires_is_left_out(
    relation: str, record: dict[str, object], field: str
) -> None:
    assert refused(relation, **record) == [(field, "drops_record")]


@pytest.mark.parametrize(
    ("relation", "nested", "field"),
    [
        ("issues", {"timelogs": [{"time_spent": 0}, {"time_spent": None}]}, "timelogs[1].time_spent"),
        ("issues", {"notes": [{"note": "n", "award_emoji": [{"name": ""}]}]}, "notes[0].award_emoji[0].name"),
        ("issues", {"label_links": [{"label": {"title": None}}]}, "label_links[0].label.title"),
        ("issues", {"milestone": {"iid": 1}}, "milestone.title"),
        ("issues", {"designs": [{"iid": 1}]}, "designs[0].filename"),
        ("issues", {"events": [{"author_id": None}]}, "events[0].author_id"),
        ("issues", {"zoom_meetings": [{"url": None}]}, "zoom_meetings[0].url"),
        ("issues", {"sentry_issue": {"id": 1}}, "sentry_issue.sentry_issue_identifier"),
        ("releases", {"tag": "v1", "links": [{"name": "n"}]}, "links[0].url"),
        ("merge_requests", {"approvals": [{"user_id": None}]}, "approvals[0].user_id"),
        (
            "merge_requests",
            {"notes": [{"suggestions": [{"applied": True}, {"applied": False}]}]},
            "notes[0].suggestions[0].commit_id",
        ),
        (
            "protected_branches",
            {"name": "n", "push_access_levels": [{"id": 1}]},
            "push_access_levels[0].access_level",
        ),
        ("boards", {"lists": [{"list_type": "label", "position": 0}]}, "lists[0].label"),
    ],
)
def test_what_is_nested_without_what_its_model_requires_is_left_out_alone(
    relation: str, nested: dict[str, object], field: str
) -> None:
    whole = {"title": "t", "source_branch": "a", "target_branch": "b"} | nested
    assert refused(relation, **whole) == [(field, "drops_nested")]


def test_what_is_whole_is_not_refused() -> None:
    assert refused("project_members", access_level=40, user=None, invite_email="a@example.com") == []
    assert refused("boards", lists=[{"list_type": "closed", "position": None}]) == []
    assert refused("external_pull_requests", **PULL_REQUEST, status="open") == []
    assert refused("protected_branches") == []


def found(relation: str, *records: object) -> list[tuple[int, str, Effect]]:
    numbers = DuplicateNumbers(relation)
    lines = [json.dumps(each).encode() for each in records]
    told = [(number, numbers.find(line)) for number, line in enumerate(lines)]
    return [(number, each[0], each[2]) for number, each in told if each]


@pytest.mark.parametrize(
    ("relation", "effect"),
    [
        ("issues", Effect.DROPS_RECORD),
        ("ci_pipelines", Effect.DROPS_RECORD),
        ("milestones", Effect.RENUMBERS),
    ],
)
def test_the_second_record_with_a_number_is_told(relation: str, effect: Effect) -> None:
    records = [
        {"iid": 1},
        {"iid": 2},
        {"iid": None},
        {},
        {"iid": "1"},
        {"iid": 1},
        {"iid": -1},
        {"iid": -1},
        [],
    ]
    assert found(relation, *records) == [(5, "iid", effect)]


def test_labels_have_no_numbers_of_their_own() -> None:
    assert found("labels", {"iid": 1}, {"iid": 1}) == []


def test_a_user_is_a_member_once() -> None:
    members = [{"user": {"id": 7}}, {"user": None}, {"user": {"id": 8}}, {"user": {"id": 7}}]
    assert found("project_members", *members) == [(3, "user.id", Effect.DROPS_RECORD)]


def test_numbers_that_are_too_far_apart_are_not_compared_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iids, "MOST_PAGES", 2)
    numbers = DuplicateNumbers("issues")
    for iid in (1, 1 << 20, 1 << 30):
        assert numbers.find(b'{"iid":%d}' % iid) is None
    assert numbers.is_partial
    assert numbers.find(b'{"iid":1}') is not None
