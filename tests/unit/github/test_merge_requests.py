from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from shared.github.answers import PullRequest
from shared.github.lists import Catalogue, map_labels, map_milestones
from shared.github.merge_requests import (
    PullRequestAnswers,
    PullRequestMapper,
    SourceBranch,
    branch_to_make,
    source_branch,
)
from shared.github.statistics import Mapped, Tally
from shared.gitlab.issuable_records import MergeRequestRecord
from tests.support.github_answers import (
    ANN,
    BASE,
    BOB,
    GONE,
    HEAD,
    ORIGIN,
    SHOWN,
    built,
    comment,
    event,
    label,
    milestone,
    pull,
    review,
    review_comment,
)

LATER = "2024-05-06T07:08:09Z"
LATER_SHOWN = "2024-05-06T07:08:09.000Z"


def mapped(answers: PullRequestAnswers, **more: Any) -> Mapped[MergeRequestRecord]:
    catalogue = Catalogue()
    for each in map_labels([label("bug")], ORIGIN, Tally()):
        catalogue.add_label(each)
    for other in map_milestones([milestone(3)], ORIGIN, Tally()):
        catalogue.add_milestone(other)
    return PullRequestMapper(ORIGIN, catalogue).map(answers, **more)


def record(answer: Raw, *timeline: Raw, **more: Any) -> Any:
    return built(mapped(PullRequestAnswers(answer, timeline, **more)).record)


def read(answer: Raw) -> PullRequest:
    return msgspec.json.decode(answer, type=PullRequest)


def side(ref: str, *, repo: int | None = 7, owner: object = ANN) -> dict[str, object]:
    return {"ref": ref, "sha": HEAD, "repo": None if repo is None else {"id": repo}, "user": owner}


def test_a_merge_request_keeps_number_branches_and_commits() -> None:
    told = record(pull(4))
    assert (told["iid"], told["source_branch"], told["target_branch"]) == (4, "feature", "main")
    assert (told["source_project_id"], told["target_project_id"]) == (7, 7)
    shas = told["diff_head_sha"], told["source_branch_sha"], told["target_branch_sha"]
    assert shas == (HEAD, HEAD, BASE)
    diff = told["merge_request_diff"]
    assert (diff["base_commit_sha"], diff["start_commit_sha"], diff["head_commit_sha"]) == (BASE, BASE, HEAD)
    assert (told["state"], told["draft"], told["author_id"], told["description"]) == (
        "opened",
        False,
        1,
        "text",
    )


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ({}, "opened"),
        ({"state": "closed"}, "closed"),
        ({"state": "closed", "merged_at": LATER}, "merged"),
    ],
)
def test_a_merge_request_is_merged_where_it_has_the_time_of_that(more: dict[str, Any], state: str) -> None:
    assert record(pull(**more))["state"] == state


def test_the_commit_of_a_merge_that_was_only_tried_is_not_told() -> None:
    assert record(pull(merge_commit_sha="c" * 40))["merge_commit_sha"] is None
    assert record(pull(merge_commit_sha="c" * 40, merged_at=LATER))["merge_commit_sha"] == "c" * 40


@pytest.mark.parametrize(
    ("head", "branch"),
    [
        (side("feature"), "feature"),
        (side("feature", repo=8, owner=BOB), "github/fork/bob/feature"),
        (side("main", repo=8, owner=BOB), "github/fork/bob/main"),
        (side("feature", repo=None, owner=BOB), "github/fork/bob/feature"),
        (side("feature", repo=None, owner=None), "feature"),
        (side("main", repo=None, owner=None), "main-4"),
        (side("main"), "main-4"),
    ],
)
def test_a_branch_of_a_fork_is_called_for_its_owner(head: object, branch: str) -> None:
    assert source_branch(read(pull(head=head))) == branch
    assert record(pull(head=head))["source_branch"] == branch


def test_an_open_one_needs_its_branch() -> None:
    fork = side("feature", repo=8, owner=BOB)
    assert branch_to_make(read(pull(head=fork))) == SourceBranch("github/fork/bob/feature", HEAD)
    assert branch_to_make(read(pull(head=fork, state="closed"))) is None


def test_labels_milestone_and_assignees_are_as_those_of_issues() -> None:
    told = record(pull(labels=[{"name": "bug"}], milestone={"number": 3}, assignees=[ANN, BOB]))
    assert [each["label"]["title"] for each in told["label_links"]] == ["bug"]
    assert told["milestone"]["iid"] == 3
    assert [each["user_id"] for each in told["merge_request_assignees"]] == [1]


def test_who_merged_is_told_by_the_metrics() -> None:
    told = record(pull(state="closed", merged_at=LATER), event("merged", created_at=LATER))
    metrics = told["metrics"]
    assert (metrics["merged_by_id"], metrics["merged_at"], told["merge_user_id"]) == (1, LATER_SHOWN, 1)
    assert (metrics["latest_closed_at"], metrics["latest_closed_by_id"]) == (None, None)
    assert told["notes"] == []


def test_a_merger_who_is_nobody_here_is_told_by_a_note() -> None:
    told = record(pull(state="closed", merged_at=LATER), event("merged", actor=BOB, created_at=LATER))
    assert told["metrics"]["merged_by_id"] is None
    assert [each["note"] for each in told["notes"]] == ["*Merged by: bob at 2024-05-06 07:08:09 UTC*"]


@pytest.mark.parametrize("actor", [None, GONE])
def test_a_merger_who_is_gone_is_not_told(actor: object) -> None:
    assert record(pull(merged_at=LATER), event("merged", actor=actor))["notes"] == []


def test_who_closed_is_told_by_the_metrics() -> None:
    closed = record(pull(state="closed", closed_at=LATER), event("closed", created_at=LATER))["metrics"]
    assert (closed["latest_closed_at"], closed["latest_closed_by_id"]) == (LATER_SHOWN, 1)


def test_reviewers_are_those_asked_for_less_those_asked_no_more() -> None:
    asked = event("review_requested", requested_reviewer=ANN)
    unasked = event("review_request_removed", requested_reviewer=ANN)
    reviewers = [
        record(pull(), *items)["merge_request_reviewers"]
        for items in ([asked], [asked, unasked], [asked, unasked, asked], [review()])
    ]
    assert [[each["state"] for each in found] for found in reviewers] == [
        ["unreviewed"],
        [],
        ["unreviewed"],
        [],
    ]


def test_a_reviewer_who_has_reviewed_is_told() -> None:
    [told] = record(pull(), event("review_requested", requested_reviewer=ANN), review())[
        "merge_request_reviewers"
    ]
    assert told == {"user_id": 1, "created_at": SHOWN, "state": "reviewed"}


def test_a_reviewer_who_is_nobody_here_is_none() -> None:
    assert record(pull(), event("review_requested", requested_reviewer=BOB))["merge_request_reviewers"] == []


def test_approvals_are_told() -> None:
    [told] = record(pull(), review(state="approved"))["approvals"]
    assert told == {"user_id": 1, "created_at": SHOWN, "updated_at": SHOWN}


def test_comments_reviews_and_comments_on_lines_are_in_the_order_of_time() -> None:
    told = record(
        pull(),
        comment(21, body="second", created_at="2024-01-02T03:04:06Z"),
        reviews=[review(31, body="third", submitted_at="2024-01-02T03:04:07Z")],
        review_comments=[review_comment(41, body="first")],
        comments=[comment(21, body="second"), comment(22, body="fourth", created_at=LATER)],
    )
    assert [each["note"] for each in told["notes"]] == [
        "first",
        "second",
        "**Review:** Commented\n\nthird",
        "fourth",
    ]


def test_a_comment_on_a_line_that_cannot_be_mapped_is_one_failure() -> None:
    answers = PullRequestAnswers(pull(), review_comments=[review_comment(41, path=None), review_comment(42)])
    told = mapped(answers)
    assert told.record
    assert len(told.record.notes) == 1
    assert told.tally.stats["fetched"] == {"diff_note": 2, "pull_request": 1}
    [failure] = told.tally.failures
    identifiers = {"note_id": 41, "noteable_iid": 4, "noteable_type": "MergeRequest"}
    assert failure.external_identifiers == identifiers


def test_a_pull_request_that_cannot_be_mapped_is_one_failure() -> None:
    told = mapped(PullRequestAnswers(pull(head=None), [comment()]))
    assert told.record is None
    assert told.tally.stats == {"fetched": {"pull_request": 1}, "imported": {}}


def test_attachments_of_all_texts_lead_to_uploads() -> None:
    text = "see https://x.example/a"
    answers = PullRequestAnswers(pull(body=text), [review(body=text)], [review_comment(body=text)])
    told = built(mapped(answers, uploads={"https://x.example/a": "/u"}).record)
    notes = [each["note"] for each in told["notes"]]
    assert [told["description"], *notes] == ["see /u", "**Review:** Commented\n\nsee /u", "see /u"]
