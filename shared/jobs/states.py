"""The state machine of jobs: one table, from which the SQL guards are made."""

from __future__ import annotations

from enum import Enum

from shared.jobs.models import JobState


class Move(Enum):
    """The moves of a job."""

    CLAIM = "claim"  # a worker begins an attempt
    FINISH = "finish"  # the work is done
    FAIL = "fail"  # it cannot be done, or its attempts are used up
    RETRY = "retry"  # it failed for now, and is due again later
    HAND_BACK = "hand_back"  # its worker stops; another takes it, and the attempt does not count
    POSTPONE = "postpone"  # a server of ours is away, and the attempt does not count
    REQUEUE = "requeue"  # its lease has expired: the worker is lost
    CANCEL = "cancel"  # a user stops it


MOVES: dict[Move, tuple[frozenset[JobState], JobState]] = {
    Move.CLAIM: (frozenset({JobState.QUEUED}), JobState.RUNNING),
    Move.FINISH: (frozenset({JobState.RUNNING}), JobState.FINISHED),
    Move.FAIL: (frozenset({JobState.RUNNING}), JobState.FAILED),
    Move.RETRY: (frozenset({JobState.RUNNING}), JobState.QUEUED),
    Move.HAND_BACK: (frozenset({JobState.RUNNING}), JobState.QUEUED),
    Move.POSTPONE: (frozenset({JobState.RUNNING}), JobState.QUEUED),
    Move.REQUEUE: (frozenset({JobState.RUNNING}), JobState.QUEUED),
    Move.CANCEL: (frozenset({JobState.QUEUED, JobState.RUNNING}), JobState.CANCELED),
}
"""The states from which a move may start, and the state in which it ends."""

TERMINAL = frozenset({JobState.FINISHED, JobState.FAILED, JobState.CANCELED})


def guard(move: Move) -> str:
    """Give the SQL condition under which ``move`` may happen."""
    names = ", ".join(sorted(f"'{state.value}'" for state in MOVES[move][0]))
    return f"state IN ({names})"


def target(move: Move) -> str:
    """Give the state in which ``move`` ends, as an SQL literal."""
    return f"'{MOVES[move][1].value}'"
