from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.archive.budget import Budget
from shared.archive.limits import Limits, Prices
from shared.gitlab import nesting
from shared.gitlab.record_check import RefusedLine, check_line
from shared.jobs.progress import RelationProgress
from shared.restore import relations
from shared.restore.event_loop import EventLoopYielder
from shared.restore.failures import Failure
from shared.restore.relations import RelationReceiver
from shared.snapshots.quarantine import QuarantinedLine

DEPTH = 3
SHALLOW, DEEP = b'{"a":[[1]]}\n', b'{"a":[[[1]]]}\n'


class Kept:
    """A LineSink and a FailureLog that keep what they get."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.failed: list[int | None] = []

    @property
    def count(self) -> int:
        return len(self.failed)

    async def write(self, lines: Sequence[bytes], *, records: bool = True) -> None:
        self.lines += lines

    async def refuse(self, lines: Sequence[QuarantinedLine]) -> None: ...

    async def commit(self) -> None: ...

    async def add(self, failure: Failure) -> None:
        self.failed.append(failure.line_number)

    async def withdraw(self, relation: str) -> None: ...


async def receive(*pieces: bytes, depth: int = DEPTH) -> Kept:
    kept = Kept()
    receiver = RelationReceiver(
        "notes", kept, limits=Limits(depth=depth), budget=Budget(Prices()), failures=kept,
        count=RelationProgress(), yielder=EventLoopYielder(),
    )  # fmt: skip
    for piece in pieces:
        await receiver.write(piece)
    await receiver.close()
    return kept


@given(
    lines=st.lists(st.sampled_from([SHALLOW, DEEP, b"[]\n", b"\n", b" \n", b"{}\n"]), max_size=8),
    last=st.sampled_from([b"", DEEP[:-1], SHALLOW[:-1]]),
    window=st.integers(1, 40),
    cuts=st.tuples(st.integers(0, 120), st.integers(0, 120)),
)
@example(lines=[DEEP], last=b"", window=40, cuts=(6, 120))  # few openings after the cut
@example(lines=[], last=DEEP[:-1], window=40, cuts=(6, 6))
async def test_a_line_that_is_too_deep_is_refused_whatever_is_around_it(
    lines: list[bytes], last: bytes, window: int, cuts: tuple[int, int]
) -> None:
    text, (first, second) = b"".join([*lines, last]), sorted(cuts)
    with pytest.MonkeyPatch.context() as patch:
        for module in (nesting, relations):
            patch.setattr(module, "WINDOW", window)
        kept = await receive(text[:first], text[first:second], text[second:])
    whole = [line for line in [*lines, last] if line]
    assert kept.failed == [
        number
        for number, line in enumerate(whole)
        if line.strip() and isinstance(check_line(line, relation="notes", depth=DEPTH), RefusedLine)
    ]


async def test_lines_that_are_short_and_not_dense_are_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[bytes] = []
    measure = nesting.depth_over

    def depth_over(line: bytes, limit: int) -> int | None:
        measured.append(line)
        return measure(line, limit)

    monkeypatch.setattr(nesting, "depth_over", depth_over)
    text = b'{"title":"%s"}\n' % (b"t" * 4000) * 100
    kept = await receive(text[:2000], text[2000:], depth=1000)
    assert len(kept.lines) == 100
    assert measured == kept.lines[:1]  # which two pieces have
