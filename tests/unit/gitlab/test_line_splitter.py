import tracemalloc
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.gitlab.lines import BlankLines, Line, LineSplitter, OverlongLine

TEXT = st.text(alphabet="ab\n\r\x0b\x85", max_size=200).map(
    lambda text: text.encode("utf-8", "surrogatepass")
)


def split(data: bytes, *, limit: int, cut: int) -> list[Line]:
    splitter = LineSplitter(limit)
    lines = [line for at in range(0, len(data), cut) for line in splitter.feed(data[at : at + cut])]
    return [*lines, *splitter.close()]


def numbered(lines: Iterable[Line]) -> dict[int, bytes | OverlongLine]:
    """What is not blank, by its number."""
    found: dict[int, bytes | OverlongLine] = {}
    number = 0
    for line in lines:
        if isinstance(line, BlankLines):
            assert line.count > 0
            number += line.count
        else:
            found[number] = line
            number += 1
    return found


def one_by_one(data: bytes, *, limit: int) -> dict[int, bytes | OverlongLine]:
    """The same, by looking at each line, blank or not."""
    whole = [line for line in data.replace(b"\n", b"\n\0").split(b"\0") if line]
    lengths = [len(line.removesuffix(b"\n")) for line in whole]
    return {
        number: line if length <= limit else OverlongLine(length)
        for number, (line, length) in enumerate(zip(whole, lengths, strict=True))
        if length > limit or not line.isspace()
    }


@given(TEXT, st.integers(1, 50))
def test_lines_are_kept_byte_for_byte_under_their_numbers_at_any_cut(data: bytes, cut: int) -> None:
    assert numbered(split(data, limit=1000, cut=cut)) == one_by_one(data, limit=1000)


@given(TEXT, st.integers(1, 50), st.integers(0, 8))
def test_a_line_over_the_limit_is_named_by_its_length_and_the_others_stay(
    data: bytes, cut: int, limit: int
) -> None:
    assert numbered(split(data, limit=limit, cut=cut)) == one_by_one(data, limit=limit)


def test_blank_lines_are_one_event_for_each_run_in_a_chunk() -> None:
    data = b"\n" * 1000 + b" \r\n{}\n\n \t\n1\n\n"
    assert split(data, limit=10, cut=2000) == [
        BlankLines(1001), b"{}\n", BlankLines(2), b"1\n", BlankLines(1),
    ]  # fmt: skip


def test_white_space_before_a_record_on_its_line_is_part_of_it() -> None:
    assert split(b"\n\n  {}\n", limit=10, cut=3) == [BlankLines(2), b"  {}\n"]


@pytest.mark.parametrize("cut", [1, 3, 100])
def test_a_blank_last_line_without_newline_counts(cut: int) -> None:
    lines = split(b"{}\n\n  ", limit=10, cut=cut)
    assert sum(line.count for line in lines if isinstance(line, BlankLines)) == 2


@pytest.mark.parametrize("cut", [1, 3, 7, 512])
@pytest.mark.parametrize("newline", [b"\n", b""])
def test_the_limit_itself_passes_and_one_more_does_not(cut: int, newline: bytes) -> None:
    assert split(b"x" * 10 + newline, limit=10, cut=cut) == [b"x" * 10 + newline]
    assert split(b"x" * 11 + newline, limit=10, cut=cut) == [OverlongLine(11)]


def test_the_carriage_return_counts_as_part_of_the_line() -> None:
    assert split(b"xxx\r\n", limit=4, cut=2) == [b"xxx\r\n"]
    assert split(b"xxx\r\n", limit=3, cut=2) == [OverlongLine(4)]


def test_nothing_is_no_line() -> None:
    assert split(b"", limit=10, cut=1) == []


def test_a_splitter_goes_on_after_an_overlong_line() -> None:
    assert split(b"y" * 99 + b"\nok\n", limit=5, cut=4) == [OverlongLine(99), b"ok\n"]


def test_an_endless_line_is_dropped_as_it_streams() -> None:
    splitter, chunk, limit = LineSplitter(1 << 20), bytes(1 << 18), 1 << 20
    tracemalloc.start()
    try:
        for _ in range(200):
            assert list(splitter.feed(chunk)) == []
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * limit
    assert list(splitter.close()) == [OverlongLine(200 << 18)]


def test_a_huge_line_is_in_memory_once() -> None:
    size, chunk = 32 << 20, bytes(1 << 18)
    splitter = LineSplitter(size)
    tracemalloc.start()
    try:
        for _ in range(size // len(chunk)):
            assert list(splitter.feed(chunk)) == []
        (line,) = splitter.feed(b"\n")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(line, bytes)
    assert len(line) == size + 1
    assert peak < size * 5 // 4
