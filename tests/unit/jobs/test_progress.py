from __future__ import annotations

from typing import Any

import pytest

from shared.jobs import progress as progress_module
from shared.jobs.progress import Note, Phase, Progress, RelationProgress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the clock shows, as its only item."""
    shows = [100.0]
    monkeypatch.setattr(progress_module, "monotonic", lambda: shows[0])
    return shows


def _phases(progress: Progress) -> Any:
    return progress.report()["phases"]


def test_a_phase_lasts_until_the_next_begins_and_the_last_one_still_does(clock: list[float]) -> None:
    progress = Progress()
    progress.begin(Phase.PREPARING)
    clock[0] += 1.5
    progress.begin(Phase.READING)
    progress.bytes_done = 70
    clock[0] += 2
    assert _phases(progress) == [
        {"name": "preparing", "seconds": 1.5, "bytes": 0},
        {"name": "reading", "seconds": 2.0, "bytes": 70},
    ]

    progress.begin(Phase.WRITING)
    clock[0] += 1
    assert _phases(progress)[1:] == [
        {"name": "reading", "seconds": 2.0, "bytes": 70},
        {"name": "writing", "seconds": 1.0, "bytes": 0},
    ]


def test_a_relation_tells_its_bytes_and_its_lines() -> None:
    progress = Progress(relations={"issues": RelationProgress(bytes=20, lines=1, failed=2)})
    assert progress.report()["relations"] == {"issues": {"bytes": 20, "lines": 1, "failed": 2}}


def test_notes_are_told_by_their_names() -> None:
    progress = Progress()
    assert progress.report()["notes"] == {}
    progress.notes[Note.LONG_NAMES] += 2
    assert progress.report()["notes"] == {"long_names": 2}


def test_a_relation_that_is_withdrawn_is_counted_no_more_and_was_a_step() -> None:
    progress = Progress(relations={"issues": RelationProgress(bytes=20, lines=1, failed=2)})
    before = progress.steps
    progress.withdraw_relation("issues")
    progress.withdraw_relation("labels")
    assert (progress.report()["relations"], progress.steps > before) == ({}, True)
