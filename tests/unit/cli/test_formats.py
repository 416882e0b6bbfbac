from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from services.cli.formats import counted, explained, moment


@pytest.mark.parametrize(
    ("time", "told"),
    [
        (datetime(2026, 11, 28, 2, 3, 4, 999, tzinfo=UTC), "2026-11-28 02:03:04Z"),
        (datetime(2026, 11, 28, 2, 3, 4, tzinfo=timezone(timedelta(hours=5))), "2026-11-27 21:03:04Z"),
        (None, "-"),
    ],
)
def test_a_time_is_told_in_utc_and_says_so(time: datetime | None, told: str) -> None:
    assert moment(time) == told


@pytest.mark.parametrize(
    ("number", "told"), [(0, "0 lines"), (1, "1 line"), (2, "2 lines"), (1234, "1,234 lines")]
)
def test_one_is_told_in_the_singular(number: int, told: str) -> None:
    assert counted(number, "line") == told


@pytest.mark.parametrize(("number", "told"), [(1, "1 person"), (2, "2 people")])
def test_a_noun_may_have_a_plural_of_its_own(number: int, told: str) -> None:
    assert counted(number, "person", "people") == told


def test_only_a_file_that_is_no_export_is_explained() -> None:
    absent = "No such file or directory (VERSION is missing)"
    assert explained(absent) == f"{absent}: the file is no export of a GitLab project"
    assert explained("not a tar archive") == "not a tar archive"
