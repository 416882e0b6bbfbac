from __future__ import annotations

import pytest

from shared.jobs.models import JobState
from shared.jobs.states import MOVES, TERMINAL, Move, guard, target


@pytest.mark.parametrize("move", Move)
def test_no_move_leaves_a_terminal_state(move: Move) -> None:
    assert not MOVES[move][0] & TERMINAL


def test_every_state_that_is_not_terminal_can_be_left_and_every_state_can_be_reached() -> None:
    left = frozenset().union(*(sources for sources, _ in MOVES.values()))
    reached = {end for _, end in MOVES.values()}
    assert left == set(JobState) - TERMINAL
    assert reached == set(JobState)


def test_guard_and_target_are_written_from_the_table() -> None:
    assert guard(Move.CANCEL) == "state IN ('queued', 'running')"
    assert target(Move.CANCEL) == "'canceled'"
