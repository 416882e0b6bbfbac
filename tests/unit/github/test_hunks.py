from __future__ import annotations

import hashlib

from shared.github.hunks import FIRST_LINE, line_code, lines_between, made_up_hunk, parse_hunk

HUNK = "@@ -10,3 +20,4 @@ def f():\n one\n-two\n+deux\n+trois\n\\ No newline at end of file"


def test_lines_are_numbered_on_both_sides() -> None:
    found = [(line.sign, line.text, line.old, line.new) for line in parse_hunk(HUNK)[1:]]
    assert found == [
        (" ", "one", 10, 20),
        ("-", "two", 11, 21),
        ("+", "deux", 12, 21),
        ("+", "trois", 12, 22),
    ]


def test_a_header_may_leave_out_counts_of_one() -> None:
    assert [(line.sign, line.old, line.new) for line in parse_hunk("@@ -1 +1 @@\n-a")] == [
        ("@", 1, 1),
        ("-", 1, 1),
    ]


def test_what_is_no_hunk_has_no_lines() -> None:
    assert [parse_hunk(text) for text in ("", "text", "@@ -x +1 @@")] == [[], [], []]


def test_a_line_is_named_by_its_path_and_numbers() -> None:
    digest = hashlib.sha1(b"a.py").hexdigest()  # noqa: S324  # GitLab's
    assert line_code("a.py", parse_hunk(HUNK)[-1]) == f"{digest}_12_22"
    assert line_code("a.py", FIRST_LINE) == f"{digest}_1_1"


def test_lines_of_one_side_are_found_by_their_numbers() -> None:
    lines = parse_hunk(HUNK)
    assert [line.text for line in lines_between(lines, "RIGHT", 20, 21)] == ["one", "deux"]
    assert [line.text for line in lines_between(lines, "LEFT", 10, 11)] == ["one", "two"]


def test_a_hunk_can_be_made_up_of_a_line() -> None:
    [_, line] = parse_hunk(made_up_hunk(7, "text"))
    assert (line.text, line.old, line.new) == ("text", 7, 7)
