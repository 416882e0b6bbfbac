from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from shared.github.answers import Issue
from shared.github.issues import IssueMapper
from shared.github.lists import Catalogue, map_labels, map_milestones
from shared.github.statistics import Mapped, Tally
from shared.gitlab.issuable_records import IssueRecord
from tests.support.github_answers import (
    ANN,
    BOB,
    ORIGIN,
    SHOWN,
    built,
    comment,
    event,
    issue,
    label,
    milestone,
    raw,
)


def mapped(answer: Raw, *timeline: Raw, **more: Any) -> Mapped[IssueRecord]:
    catalogue = Catalogue()
    for each in map_labels([label("bug"), label("new")], ORIGIN, Tally()):
        catalogue.add_label(each)
    for other in map_milestones([milestone(3)], ORIGIN, Tally()):
        catalogue.add_milestone(other)
    return IssueMapper(ORIGIN, catalogue).map(answer, timeline, **more)


def record(answer: Raw, *timeline: Raw, **more: Any) -> Any:
    return built(mapped(answer, *timeline, **more).record)


def test_an_issue_keeps_its_number_and_times() -> None:
    told = record(issue(9))
    assert (told["iid"], told["title"], told["state"], told["author_id"]) == (9, "An issue", "opened", 1)
    assert (told["created_at"], told["updated_at"], told["closed_at"]) == (SHOWN, SHOWN, None)
    assert (told["project_id"], told["work_item_type"]) == (7, {"base_type": "issue"})
    assert "milestone" not in told


def test_a_closed_issue_tells_when_and_by_whom_if_that_is_somebody_here() -> None:
    told = record(issue(state="closed", closed_at="2024-05-06T07:08:09Z", closed_by=ANN))
    assert (told["state"], told["closed_at"], told["closed_by_id"]) == (
        "closed",
        "2024-05-06T07:08:09.000Z",
        1,
    )
    assert record(issue(state="closed", closed_by=BOB))["closed_by_id"] is None


def test_labels_and_the_milestone_are_copied_and_unknown_ones_are_skipped() -> None:
    labels = [{"name": "bug"}, "new", {"name": "gone"}, {"name": None}]
    told = record(issue(labels=labels, milestone={"number": 3}))
    assert [each["label"]["title"] for each in told["label_links"]] == ["bug", "new"]
    assert {each["target_type"] for each in told["label_links"]} == {"Issue"}
    assert told["milestone"]["title"] == "v1"
    assert "milestone" not in record(issue(milestone={"number": 4}))


def test_who_is_nobody_here_is_not_assigned() -> None:
    assert record(issue(assignees=[ANN, BOB]))["issue_assignees"] == [{"user_id": 1}]
    assert record(issue(assignees=None))["issue_assignees"] == []


def test_an_issue_of_a_deleted_account_is_the_ghosts() -> None:
    told = record(issue(user=None))
    assert (told["author_id"], told["description"]) == (10137, "text")


@pytest.mark.parametrize(
    ("body", "description"), [(None, None), ("", ""), ("hi @ann", "*Created by: bob*\n\nhi `@ann`")]
)
def test_the_text_says_who_wrote_it_where_there_is_one(body: str | None, description: str | None) -> None:
    assert record(issue(user=BOB, body=body))["description"] == description


def test_a_long_title_is_cut() -> None:
    assert record(issue(title="x" * 256))["title"] == "x" * 252 + "..."


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (issue(5, title=" \0"), "Validation failed: Title can't be blank"),
        (issue(5, title=None), "Expected `str`, got `null` - at `$.title`"),
        (issue(5, created_at="today"), "Invalid RFC3339 encoded datetime - at `$.created_at`"),
        (issue(5, created_at="0001-01-01T00:00:00+09:00"), "date value out of range"),
        (
            Raw(b'{"number":5,"title":"\xff"}'),
            "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
        ),
    ],
)
def test_an_issue_that_cannot_be_mapped_is_one_failure(answer: Raw, message: str) -> None:
    told = mapped(answer, comment(21))
    assert told.record is None
    assert told.tally.stats == {"fetched": {"issue": 1}, "imported": {}}
    [failure] = told.tally.failures
    assert failure.message == message
    assert failure.external_identifiers["iid"] == 5


def test_what_failed_of_an_issue_is_told_and_the_rest_is_in_it() -> None:
    told = mapped(issue(), comment(21), event("renamed"), comment(22, body=[]))
    assert told.record
    assert len(told.record.notes) == 1
    assert told.tally.stats["fetched"] == {"issue": 1, "issue_event": 1, "note": 2}
    assert told.tally.stats["imported"] == {"issue": 1, "note": 1}
    assert len(told.tally.failures) == 2


def test_comments_of_a_list_are_notes_as_those_of_the_timeline() -> None:
    told = record(issue(), comment(21, body="a"), comments=[comment(21, body="a"), comment(22, body="b")])
    assert [each["note"] for each in told["notes"]] == ["a", "b"]


def test_attachments_of_all_texts_lead_to_uploads() -> None:
    uploads = {"https://x.example/a": "/uploads/1/a"}
    text = "see https://x.example/a"
    told = record(issue(body=text), comment(body=text), uploads=uploads)
    assert told["description"] == told["notes"][0]["note"] == "see /uploads/1/a"


@pytest.mark.parametrize(
    ("more", "is_pull"), [({}, False), ({"pull_request": None}, False), ({"pull_request": {}}, True)]
)
def test_pull_requests_are_told_from_issues(more: dict[str, Any], is_pull: bool) -> None:  # noqa: FBT001
    assert msgspec.json.decode(issue(**more), type=Issue).is_pull_request is is_pull


def test_an_answer_that_is_no_object_is_a_failure_without_identifiers() -> None:
    [failure] = mapped(raw([])).tally.failures
    assert failure.external_identifiers == {"issuable_type": "Issue"}
