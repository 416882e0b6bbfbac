"""What an object is composed of is planned: all its bytes, in parts that S3 takes, of which few are sent."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.storage.composition import (
    ComposedPart,
    CopiedPart,
    ObjectRange,
    PartLimits,
    PartPlanner,
    Piece,
    SentPart,
    cut,
    length_of,
    spans,
)
from shared.storage.errors import TooManyParts

MIB, GIB = 2**20, 2**30
SMALL = PartLimits(least=5, longest_sent=8, longest_copied=20)
OF_S3 = PartLimits(least=5 * MIB, longest_sent=16 * MIB, longest_copied=GIB)
STORED = {"a": bytes(7 * n % 256 for n in range(400)), "b": bytes(11 * n % 256 for n in range(400))}

LITERALS = st.binary(max_size=25)
RANGES = st.builds(ObjectRange, st.sampled_from("ab"), st.integers(0, 200), st.integers(0, 90))
PIECES = st.lists(LITERALS | RANGES, max_size=30)


def planned(pieces: Sequence[Piece], limits: PartLimits) -> list[ComposedPart]:
    planner = PartPlanner(limits, size=sum(map(length_of, pieces)))
    return [part for piece in pieces for part in planner.add(piece)] + planner.finish()


def pieces_of(part: ComposedPart) -> Sequence[Piece]:
    return [part.source] if isinstance(part, CopiedPart) else part.pieces


def size_of(part: ComposedPart) -> int:
    return sum(map(length_of, pieces_of(part)))


def sent_by(parts: Sequence[ComposedPart]) -> int:
    return sum(size_of(part) for part in parts if isinstance(part, SentPart))


def content(pieces: Sequence[Piece]) -> bytes:
    return b"".join(
        piece if isinstance(piece, bytes) else STORED[piece.key][piece.position : piece.end]
        for piece in pieces
    )


def least_of(size: int, limits: PartLimits) -> int:
    return min(max(limits.least, -(-size // (limits.most - 1))), limits.longest_sent)


def most_sent(pieces: Sequence[Piece], least: int) -> int:
    """The bound of what is sent: whatever is no range, all of short ranges, and a bit of each long one."""
    lengths = ((isinstance(piece, ObjectRange), length_of(piece)) for piece in pieces)
    return sum(least if is_range and length >= 2 * least else length for is_range, length in lengths)


@given(PIECES)
def test_the_parts_are_all_of_the_object_in_order(pieces: list[Piece]) -> None:
    parts = planned(pieces, SMALL)
    assert content([piece for part in parts for piece in pieces_of(part)]) == content(pieces)


@given(PIECES)
def test_every_part_is_within_the_limits_and_only_the_last_is_short(pieces: list[Piece]) -> None:
    parts = planned(pieces, SMALL)
    assert all(size_of(part) >= SMALL.least for part in parts[:-1])
    assert all(size_of(part) > 0 for part in parts)
    for part in parts:
        if isinstance(part, CopiedPart):
            assert SMALL.least <= size_of(part) <= SMALL.longest_copied
        else:
            assert size_of(part) <= SMALL.longest_sent


@given(PIECES)
def test_no_more_is_sent_than_literal_bytes_short_ranges_and_a_bit_of_each_long_one(
    pieces: list[Piece],
) -> None:
    assert sent_by(planned(pieces, SMALL)) <= most_sent(pieces, SMALL.least)


@given(PIECES)
def test_nothing_is_held_but_less_than_two_parts(pieces: list[Piece]) -> None:
    planner = PartPlanner(SMALL, size=sum(map(length_of, pieces)))
    given_away = taken = 0
    for piece in pieces:
        given_away += sum(map(size_of, planner.add(piece)))
        taken += length_of(piece)
        # The range that came last may go on, and is held as three numbers.
        waiting = planner._range.length if planner._range else 0
        assert taken - given_away - waiting <= SMALL.longest_sent


@given(PIECES, st.integers(3, 12))
def test_an_object_that_fits_has_never_too_many_parts(pieces: list[Piece], most: int) -> None:
    limits = PartLimits(least=5, longest_sent=40, longest_copied=90, most=most)
    size = sum(map(length_of, pieces))
    if size > limits.longest_sent * (most - 1):
        return
    parts = planned(pieces, limits)
    least = least_of(size, limits)
    assert len(parts) <= most
    assert content([piece for part in parts for piece in pieces_of(part)]) == content(pieces)
    assert all(size_of(part) >= least for part in parts[:-1])
    assert sent_by(parts) <= most_sent(pieces, least)


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 20 * GIB)), max_size=200))
def test_an_archive_of_large_objects_sends_five_mib_for_each(lengths: list[tuple[int, int]]) -> None:
    pieces: list[Piece] = [b"head"]
    for number, (lead, length) in enumerate(lengths):
        pieces += [bytes(lead), ObjectRange(str(number), 0, length)]
    parts = planned([*pieces, bytes(1024)], OF_S3)
    assert sum(map(size_of, parts)) == sum(map(length_of, pieces)) + 1024
    assert all(size_of(part) >= 5 * MIB for part in parts[:-1])
    assert all(size_of(part) <= 5 * GIB for part in parts)
    least = least_of(sum(map(size_of, parts)), OF_S3)  # 5 MiB, and more for an archive of over 50 GB
    long = sum(length >= 2 * least for _, length in lengths)
    short = sum(length for _, length in lengths if length < 2 * least)
    assert sent_by(parts) <= short + long * least + 300 * len(lengths) + 1028


def test_a_long_range_is_copied_in_parts_of_about_one_length() -> None:
    parts = planned([ObjectRange("a", 3, 3 * GIB + 1)], OF_S3)
    sources = [part.source for part in parts if isinstance(part, CopiedPart)]
    assert [source.length for source in sources] == [*[3 * 2**28] * 3, 3 * 2**28 + 1]
    assert [after.position - before.position for before, after in pairwise(sources)] == [3 * 2**28] * 3


def test_ranges_that_follow_one_another_are_one() -> None:
    halves: list[Piece] = [ObjectRange("a", 0, 4), b"", ObjectRange("a", 4, 4), ObjectRange("b", 8, 5)]
    assert planned(halves, SMALL) == [
        CopiedPart(ObjectRange("a", 0, 8)), CopiedPart(ObjectRange("b", 8, 5)),
    ]  # fmt: skip


def test_a_range_that_is_long_enough_is_copied_though_the_next_one_goes_on() -> None:
    planner = PartPlanner(SMALL, size=60)
    assert planner.add(ObjectRange("a", 0, 19)) == []
    assert planner.add(ObjectRange("a", 19, 1)) == []
    assert planner.add(ObjectRange("a", 20, 20)) == [CopiedPart(ObjectRange("a", 0, 20))]
    assert planner.finish() == [CopiedPart(ObjectRange("a", 20, 20))]


def test_what_has_too_many_parts_is_refused_before_the_part_that_is_one_too_many() -> None:
    planner = PartPlanner(PartLimits(least=5, longest_sent=8, longest_copied=20, most=3), size=60)
    given_parts = []
    for key in "ab":
        given_parts += planner.add(ObjectRange(key, 0, 20))
    given_parts += planner.add(b"x")
    with pytest.raises(TooManyParts, match="more than 3 parts") as refused:
        [planner.add(ObjectRange("a", 100, 38)), planner.finish()]
    assert len(given_parts) == 2
    assert not refused.value.retryable


@given(st.lists(RANGES, max_size=30), st.integers(0, 20), st.integers(90, 200))
def test_spans_cover_all_ranges_in_order_and_are_no_longer_than_they_may_be(
    ranges: list[ObjectRange], gap: int, longest: int
) -> None:
    found = spans(ranges, gap=gap, longest=longest)
    assert all(span.length <= longest for span in found)
    assert len(found) <= len(ranges)
    at = 0
    for each in ranges:
        while found[at].key != each.key or not _is_within(each, found[at]):
            at += 1


def _is_within(each: ObjectRange, span: ObjectRange) -> bool:
    return span.position <= each.position <= span.end - each.length


def test_ranges_are_one_span_over_a_gap_and_two_over_a_longer_one() -> None:
    apart = [ObjectRange("a", 0, 4), ObjectRange("a", 9, 4)]
    assert spans(apart, gap=5, longest=13) == [ObjectRange("a", 0, 13)]
    assert spans(apart, gap=4, longest=13) == spans(apart, gap=5, longest=12) == apart
    assert spans(reversed(apart), gap=5, longest=13) == [*reversed(apart)]


def test_nothing_has_no_part() -> None:
    assert planned([b"", ObjectRange("a", 5, 0)], SMALL) == []


def test_a_piece_is_cut_as_its_bytes_are() -> None:
    assert content([cut(ObjectRange("a", 5, 20), 3, 9)]) == content([ObjectRange("a", 5, 20)])[3:9]
    assert cut(b"0123456789", 3, 9) == b"345678"
