from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from shared.github.answers import PullRequest, ReviewComment
from shared.github.diff_notes import DiffNoteMaker, without_hunk
from shared.github.notes import MERGE_REQUEST, Noteable, NoteMaker
from tests.support.github_answers import BASE, BOB, HEAD, HUNK, ORIGIN, built, pull, review_comment

PATH = "bb88d7506cfdcbc88cc950c4af72a3e28c024a77"  # the SHA-1 of a.py
SUGGESTION = "Better:\n```suggestion\nzwei\n```\n"


def read(comment: Raw) -> ReviewComment:
    return msgspec.json.decode(comment, type=ReviewComment)


def note(comment: Raw, of: Raw | None = None) -> Any:
    """Map a comment on the pull request that is given, or on a small one."""
    change = msgspec.json.decode(of or pull(), type=PullRequest)
    notes = NoteMaker(ORIGIN, Noteable(MERGE_REQUEST, 4))
    return built(DiffNoteMaker(change, notes).note(read(comment)))


def test_a_comment_is_a_legacy_diff_note_with_its_piece_of_the_diff() -> None:
    told = note(review_comment())
    assert (told["type"], told["note"], told["commit_id"]) == ("LegacyDiffNote", "text", HEAD)
    assert told["line_code"] == f"{PATH}_3_3"
    assert (told["st_diff"]["diff"], told["st_diff"]["new_path"]) == (HUNK, "a.py")
    assert told["position"] is None


def test_answers_share_the_discussion_of_what_they_answer() -> None:
    first, answer, other = (note(review_comment(*each)) for each in ((41,), (42,), (43,)))
    answer = note(review_comment(42, in_reply_to_id=41))
    assert first["discussion_id"] == answer["discussion_id"] != other["discussion_id"]
    assert len(first["discussion_id"]) == 40


def test_a_comment_on_a_file_is_on_its_first_line() -> None:
    told = note(review_comment(subject_type="file", diff_hunk="", line=None, original_line=None))
    assert told["line_code"] == f"{PATH}_1_1"


def test_a_comment_without_hunk_gets_one() -> None:
    told = note(review_comment(diff_hunk="", line=9, original_line=9))
    assert told["st_diff"]["diff"] == "@@ -9,1 +9,1 @@\n context not found"
    assert told["line_code"] == f"{PATH}_9_9"


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ({}, None),
        ({"diff_hunk": ""}, (HEAD, 3)),
        ({"diff_hunk": None, "line": 9, "original_line": 5}, (HEAD, 5)),
        ({"diff_hunk": None, "line": 9, "original_line": None}, (HEAD, 9)),
        ({"diff_hunk": "", "line": None, "original_line": None}, (HEAD, 1)),
        ({"diff_hunk": "", "subject_type": "file"}, None),
    ],
)
def test_the_line_is_told_of_which_a_hunk_may_be_made(more: dict[str, Any], wanted: object) -> None:
    assert without_hunk(read(review_comment(**more))) == wanted


def test_a_suggestion_is_a_diff_note_with_its_range_and_position() -> None:
    told = note(review_comment(body=SUGGESTION))
    assert told["note"] == "Better:\n```suggestion:-0+0\nzwei\n```\n"
    assert (told["type"], told["st_diff"], told["line_code"]) == ("DiffNote", None, f"{PATH}_3_3")
    assert told["position"] == told["original_position"]
    position = told["position"]
    assert (position["base_sha"], position["start_sha"], position["head_sha"]) == (BASE, BASE, HEAD)
    assert (position["new_line"], position["old_line"], position["line_range"]) == (3, None, None)
    [one] = told["suggestions"]
    assert (one["from_content"], one["to_content"], one["lines_above"]) == ("trois\n", "zwei\n", 0)


def test_a_suggestion_that_has_moved_since_is_where_it_is_now_and_was() -> None:
    later = pull(head={"ref": "feature", "sha": "d" * 40, "repo": None, "user": None})
    told = note(review_comment(body=SUGGESTION, line=13, start_line=12, original_start_line=2), later)
    now, before = told["position"], told["original_position"]
    assert (now["head_sha"], now["new_line"], now["line_range"]) == ("d" * 40, 13, None)
    assert (before["head_sha"], before["new_line"]) == (HEAD, 3)
    assert before["line_range"]["start"]["new_line"] == 2
    assert told["suggestions"][0]["from_content"] == "deux\ntrois\n"


def test_a_suggestion_for_several_lines_names_the_first_and_the_last() -> None:
    told = note(review_comment(body=SUGGESTION, start_line=2, original_start_line=2))
    assert "```suggestion:-1+0\n" in told["note"]
    [one] = told["suggestions"]
    assert (one["from_content"], one["lines_above"]) == ("deux\ntrois\n", 1)
    start, end = told["position"]["line_range"]["start"], told["position"]["line_range"]["end"]
    assert (start["line_code"], start["type"], start["new_line"]) == (f"{PATH}_3_2", "new", 2)
    assert (end["line_code"], end["old_line"]) == (f"{PATH}_3_3", None)


def test_an_outdated_suggestion_is_on_the_lines_where_it_was_written() -> None:
    told = note(review_comment(body=SUGGESTION, line=None, start_line=None, original_start_line=2))
    assert told["position"]["new_line"] == 3
    assert "```suggestion:-1+0\n" in told["note"]


def test_a_suggestion_on_what_was_there_before_is_on_the_old_side() -> None:
    hunk = "@@ -1,2 +1,1 @@\n one\n-two"
    told = note(review_comment(body=SUGGESTION, side="LEFT", line=2, original_line=2, diff_hunk=hunk))
    assert (told["position"]["old_line"], told["position"]["new_line"]) == (2, None)
    assert told["suggestions"][0]["from_content"] == "two\n"


def test_lines_that_the_hunk_does_not_show_cannot_be_replaced() -> None:
    told = note(review_comment(body=SUGGESTION, original_start_line=1, original_line=9))
    assert (told["type"], told["suggestions"]) == ("DiffNote", [])


@pytest.mark.parametrize(
    ("body", "ranged"),
    [
        ("   ```suggestion  extra\r\nx\r\n```", "```suggestion:-0+0\nx\n```"),
        (
            "```suggestion\nx\n```\n```suggestion\ny\n```",
            "```suggestion:-0+0\nx\n```\n```suggestion:-0+0\ny\n```",
        ),
    ],
)
def test_blocks_are_found_as_github_writes_them(body: str, ranged: str) -> None:
    told = note(review_comment(body=body))
    assert told["note"] == ranged
    assert [each["relative_order"] for each in told["suggestions"]] == [*range(body.count("```suggestion"))]


@pytest.mark.parametrize(
    "body", ["text ```suggestion\nx\n```", "```suggestions\nx\n```", "    ```suggestion\nx"]
)
def test_what_is_no_suggestion_is_text(body: str) -> None:
    told = note(review_comment(body=body))
    assert (told["type"], told["note"]) == ("LegacyDiffNote", body)


def test_the_author_of_a_suggestion_may_be_nobody_here() -> None:
    assert note(review_comment(body=SUGGESTION, user=BOB))["note"].startswith("*Created by: bob*\n\nBetter:")
