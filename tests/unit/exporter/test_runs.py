from __future__ import annotations

import pytest

from shared.snapshots.reader import Run, neighbours

FIRST = Run("a", 0, 5)


def test_runs_that_follow_one_another_in_one_object_are_read_as_one() -> None:
    assert list(neighbours([FIRST, Run("a", 5, 2), Run("a", 7, 1)])) == [Run("a", 0, 8)]


@pytest.mark.parametrize("second", [Run("b", 5, 2), Run("a", 6, 2), Run("a", 0, 5), Run("a", 4, 1)])
def test_other_runs_are_read_one_by_one(second: Run) -> None:
    assert list(neighbours([FIRST, second])) == [FIRST, second]


def test_no_runs_are_nothing_to_read() -> None:
    assert list(neighbours([])) == []
