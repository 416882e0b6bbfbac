"""The job's state machine: one table, from which the SQL guards are made."""

from __future__ import annotations

from enum import Enum

from shared.jobs.models import JobState


class Move(Enum):
    """What can happen to a job."""

    CLAIM = "claim"  # a worker takes it
    FINISH = "finish"  # it did what was asked
    FAIL = "fail"  # it cannot be done, or its attempts are used up
    RETRY = "retry"  # it failed for now, and is due again later
    HAND_BACK = "hand_back"  # its worker stops; another takes it, and the attempt does not count
    REVIVE = "revive"  # its worker is gone: the lease has expired
    CANCEL = "cancel"  # nobody wants it any more


MOVES: dict[Move, tuple[frozenset[JobState], JobState]] = {
    Move.CLAIM: (frozenset({JobState.QUEUED}), JobState.RUNNING),
    Move.FINISH: (frozenset({JobState.RUNNING}), JobState.FINISHED),
    Move.FAIL: (frozenset({JobState.RUNNING}), JobState.FAILED),
    Move.RETRY: (frozenset({JobState.RUNNING}), JobState.QUEUED),
    Move.HAND_BACK: (frozenset({JobState.RUNNING}), JobState.QUEUED),
    Move.REVIVE: (frozenset({JobState.RUNNING}), JobState.QUEUED),
    Move.CANCEL: (frozenset({JobState.QUEUED, JobState.RUNNING}), JobState.CANCELED),
}
"""From which states a move starts, and where it ends."""

TERMINAL = frozenset({JobState.FINISHED, JobState.FAILED, JobState.CANCELED})


def guard(move: Move) -> str:
    """The SQL condition under which ``move`` may happen."""
    names = ", ".join(sorted(f"'{state.value}'" for state in MOVES[move][0]))
    return f"state IN ({names})"


def target(move: Move) -> str:
    """The state, as an SQL literal, in which ``move`` ends."""
    return f"'{MOVES[move][1].value}'"
