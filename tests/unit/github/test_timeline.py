from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import Raw

from shared.github.lists import Catalogue, map_labels, map_milestones
from shared.github.notes import ISSUE, MERGE_REQUEST, Noteable, NoteMaker
from shared.github.statistics import Tally
from shared.github.timeline import TimelineMapper, in_order
from tests.support.github_answers import (
    ANN,
    AT,
    BOB,
    ORIGIN,
    SHOWN,
    built,
    comment,
    event,
    label,
    milestone,
    raw,
    review,
)

BOT = {"id": 3, "login": "renovate[bot]"}
FALLBACK = datetime(2024, 3, 4, tzinfo=UTC)


def timeline(*items: Raw, target: str = ISSUE, tally: Tally | None = None) -> TimelineMapper:
    """Map items of issue or merge request 1; the repository has a label ``bug`` and a milestone ``v1``."""
    catalogue = Catalogue()
    for each in map_labels([label("bug")], ORIGIN, Tally()):
        catalogue.add_label(each)
    for other in map_milestones([milestone(3)], ORIGIN, Tally()):
        catalogue.add_milestone(other)
    noteable = Noteable(target, 1)
    mapper = TimelineMapper(ORIGIN, catalogue, noteable, NoteMaker(ORIGIN, noteable), fallback=FALLBACK)
    for item in items:
        mapper.take(item, tally or Tally())
    return mapper


def activity(*items: Raw, target: str = ISSUE) -> Any:
    return built(timeline(*items, target=target).activity)


def note(item: Raw, target: str = ISSUE) -> Any:
    [told] = activity(item, target=target)["notes"]
    return told


def test_a_comment_is_a_note_of_its_author() -> None:
    told = note(comment(user=BOB, updated_at="2024-05-06T07:08:09Z"))
    assert (told["note"], told["author_id"], told["author"]) == (
        "*Created by: bob*\n\ntext",
        2,
        {"name": "bob"},
    )
    assert (told["created_at"], told["updated_at"]) == (SHOWN, "2024-05-06T07:08:09.000Z")
    assert (told["noteable_type"], told["system"], told["type"]) == ("Issue", False, None)
    assert "suggestions" not in told


def test_a_comment_of_a_deleted_account_is_the_ghosts() -> None:
    told = note(comment(user=None, actor=None, body=None))
    assert (told["note"], told["author_id"], told["author"]["name"]) == ("", 10137, "ghost")


def test_every_comment_has_a_discussion_which_is_the_same_each_time() -> None:
    first = [each["discussion_id"] for each in activity(comment(21), comment(22))["notes"]]
    assert first == [each["discussion_id"] for each in activity(comment(21), comment(22))["notes"]]
    assert len(set(first)) == 2


@pytest.mark.parametrize(("kind", "action"), [("labeled", "add"), ("unlabeled", "remove")])
def test_a_label_comes_and_goes(kind: str, action: str) -> None:
    [told] = activity(event(kind, label={"name": "bug", "color": "00ff00"}))["resource_label_events"]
    assert (told["action"], told["user_id"], told["created_at"]) == (action, 1, SHOWN)
    assert told["label"]["color"] == "#ff0000"


def test_a_label_that_is_gone_is_not_made_again() -> None:
    [told] = activity(event("labeled", label={"name": "gone"}))["resource_label_events"]
    assert "label" not in told


@pytest.mark.parametrize(("kind", "action"), [("milestoned", "add"), ("demilestoned", "remove")])
def test_a_milestone_comes_and_goes(kind: str, action: str) -> None:
    [told] = activity(event(kind, milestone={"title": "v1"}))["resource_milestone_events"]
    assert (told["action"], told["milestone"]["iid"], told["state"]) == (action, 3, "opened")


def test_an_event_of_a_milestone_that_was_renamed_is_dropped_and_no_failure() -> None:
    tally = Tally()
    mapper = timeline(event("milestoned", milestone={"title": "v0"}), tally=tally)
    assert mapper.activity.resource_milestone_events == []
    assert tally.failures == []


@pytest.mark.parametrize("kind", ["closed", "reopened", "merged"])
def test_a_change_of_state_is_told_twice(kind: str) -> None:
    told = activity(event(kind, commit_id="c" * 40, actor=None), target=MERGE_REQUEST)
    [state], [shown] = told["resource_state_events"], told["events"]
    assert (state["state"], state["source_commit"], state["user_id"]) == (kind, "c" * 40, 10137)
    assert (shown["action"], shown["target_type"], shown["author_id"]) == (kind, "MergeRequest", 10137)


SYSTEM_NOTES: Mapping[str, tuple[Raw, str, str]] = {
    "renamed": (
        event("renamed", rename={"from": "a @x", "to": "b @x"}),
        "title",
        "changed title from **{-a-} `@x`** to **{+b+} `@x`**",
    ),
    "assigned": (event("assigned", assignee=BOB), "assignee", "assigned to `@bob`"),
    "assigned to a bot": (event("assigned", assignee=BOT), "assignee", "assigned to `@renovate[bot]`"),
    "assigned to somebody here": (event("assigned", assignee=ANN), "assignee", "assigned to `@ann.here`"),
    "unassigned": (event("unassigned", assignee=None), "assignee", "unassigned `@ghost`"),
    "requested": (
        event("review_requested", requested_reviewer=BOB, review_requester=ANN),
        "reviewer",
        "requested review from `@bob`",
    ),
    "requested of a team": (
        event("review_requested", requested_team={"slug": "core", "name": "Core"}),
        "reviewer",
        "requested review from `@core`",
    ),
    "request removed": (
        event("review_request_removed", requested_reviewer=BOB),
        "reviewer",
        "removed review request for `@bob`",
    ),
    "mentioned in an issue": (
        event("cross-referenced", source={"type": "issue", "issue": {"number": 2, "pull_request": None}}),
        "cross_reference",
        "mentioned in issue #2",
    ),
    "mentioned in a pull request": (
        event("cross-referenced", source={"issue": {"number": 2, "pull_request": {}}
                                          | {"repository": {"full_name": "Octo/Hello"}}}),
        "cross_reference",
        "mentioned in merge request !2",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SYSTEM_NOTES)
def test_what_happened_is_told_by_a_system_note(name: str) -> None:
    item, action, text = SYSTEM_NOTES[name]
    told = note(item)
    assert (told["note"], told["system"], told["author_id"]) == (text, True, 1)
    metadata = {"commit_count": None, "action": action, "created_at": SHOWN, "updated_at": SHOWN}
    assert told["system_note_metadata"] == metadata


@pytest.mark.parametrize(
    "source", [{}, {"issue": None}, {"issue": {"number": 2, "repository": {"full_name": "octo/other"}}}]
)
def test_a_mention_elsewhere_is_not_told(source: object) -> None:
    tally = Tally()
    assert timeline(event("cross-referenced", source=source), tally=tally).activity.notes == []
    assert tally.failures == []


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("approved", "Approved"),
        ("CHANGES_REQUESTED", "Changes requested"),
        ("commented", "Commented"),
        ("dismissed", "Dismissed"),
        ("PENDING", "Pending"),
    ],
)
def test_the_text_of_a_review_is_a_note_below_its_state(state: str, words: str) -> None:
    told = activity(review(state=state, body="text @ann", user=BOB), target=MERGE_REQUEST)["notes"]
    assert [each["note"] for each in told] == [f"*Created by: bob*\n\n**Review:** {words}\n\ntext `@ann`"]


def test_a_review_without_text_is_no_note() -> None:
    assert (
        activity(review(state="changes_requested", user=BOB), review(32), target=MERGE_REQUEST)["notes"] == []
    )


def test_an_approval_by_somebody_here_is_an_approval_and_a_system_note() -> None:
    mapper = timeline(review(state="APPROVED"), review(32, state="APPROVED"), target=MERGE_REQUEST)
    assert list(mapper.reviewing.approved) == [1]
    assert [each.note for each in mapper.activity.notes] == ["approved this merge request"]


def test_an_approval_by_nobody_here_is_a_note_alone() -> None:
    mapper = timeline(review(state="approved", user=BOB), target=MERGE_REQUEST)
    assert mapper.reviewing.approved == {}
    assert [each.note for each in mapper.activity.notes] == ["*Created by: bob*\n\n**Review:** Approved"]


def test_a_review_that_was_not_submitted_has_the_time_of_the_merge_request() -> None:
    told = note(review(body="text", submitted_at=None), target=MERGE_REQUEST)
    assert told["created_at"] == "2024-03-04T00:00:00.000Z"


def test_comments_and_reviews_count_once_wherever_they_come_from() -> None:
    tally = Tally()
    mapper = timeline(comment(21), review(21, body="r"), target=MERGE_REQUEST, tally=tally)
    for again in (comment(21), comment(22)):
        mapper.take(again, tally, event="commented")
    mapper.take(review(21, body="r"), tally, event="reviewed")
    assert tally.stats["imported"] == {"note": 2, "pull_request_review": 1}
    assert len(mapper.activity.notes) == 3


@pytest.mark.parametrize(
    "item", [event("locked"), event("committed"), raw({"sha": "c" * 40}), raw(None), raw([])]
)
def test_what_gitlab_has_no_record_of_is_passed_over_and_not_counted(item: Raw) -> None:
    tally = Tally()
    timeline(item, tally=tally)
    assert tally == Tally()


def of_event(name: str) -> Mapping[str, object]:
    return {"id": 9, "issuable_iid": 1, "event": name}


@pytest.mark.parametrize(
    ("item", "kind", "identifiers"),
    [
        (event("renamed", id=9), "issue_event", of_event("renamed")),
        (event("closed", id=9, created_at=None), "issue_event", of_event("closed")),
        (event("merged", id=9, created_at=1), "pull_request_merged_by", of_event("merged")),
        (comment(21, body=1), "note", {"note_id": 21, "noteable_iid": 1, "noteable_type": "Issue"}),
        (review(31, state=None), "pull_request_review", {"review_id": 31, "merge_request_iid": 1}),
    ],
)
def test_an_item_that_is_not_of_its_kind_is_a_failure_and_the_others_are_mapped(
    item: Raw, kind: str, identifiers: Mapping[str, object]
) -> None:
    tally = Tally()
    mapper = timeline(item, comment(99), tally=tally)
    assert len(mapper.activity.notes) == 1
    [failure] = tally.failures
    assert (failure.object_type.value, failure.external_identifiers) == (kind, identifiers)


def test_comments_that_have_no_id_are_a_failure_each() -> None:
    tally = Tally()
    timeline(comment(21, id=None), comment(22, id=None), tally=tally)
    assert len(tally.failures) == 2


def test_notes_are_in_the_order_of_time() -> None:
    later, earlier = comment(1, created_at="2024-01-02T03:04:06Z"), comment(2, created_at=AT)
    notes = in_order(timeline(later, earlier).activity.notes)
    assert [each.created_at for each in notes] == [SHOWN, "2024-01-02T03:04:06.000Z"]
