import json
import sys
import tracemalloc
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.gitlab import nesting

MIB = 1024 * 1024
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=8),
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=30,
)


def measured(value: object) -> int:
    children: Sequence[object] = ()
    if isinstance(value, dict):
        children = list(value.values())
    elif isinstance(value, list):
        children = value
    else:
        return 0
    return 1 + max(map(measured, children), default=0)


@given(VALUES)
def test_depth_counts_brackets_outside_strings(value: object) -> None:
    text = json.dumps(value).encode()
    depth = measured(value)
    assert nesting.depth_over(text, depth) is None
    if depth:
        assert nesting.depth_over(text, depth - 1) == depth


@pytest.mark.parametrize("filler", [b"x", b'\\"', b"\\\\", b'[\\"{', b'\\\\\\"'])
def test_depth_is_the_same_wherever_a_slice_ends(filler: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    text = b'["' + filler * 7 + b'",[{"' + filler * 3 + b'":["[[[["]}]]'
    for size in range(1, len(text) + 1):
        monkeypatch.setattr(nesting, "_SLICE", size)
        assert nesting.depth_over(text, 3) == 4
        assert nesting.depth_over(text, 4) is None


def test_brackets_in_strings_do_not_nest() -> None:
    assert nesting.depth_over(b'["' + b"[" * 5000 + b'"]', 10) is None


def test_a_line_that_never_closes_is_as_deep_as_it_opens() -> None:
    assert nesting.depth_over(b'{"a":' * 1500, 1000) == 1500


BRACKETS = st.text(alphabet='{}[]"\\x', max_size=60).map(str.encode)


def one_by_one(text: bytes) -> int:
    """The depth, by looking at one byte after another."""
    level = deepest = 0
    in_string = escaped = False
    for byte in text.decode():
        was_escaped, escaped = escaped, False
        if was_escaped and byte in '"\\':
            continue
        if byte == "\\":
            escaped = True
        elif byte == '"':
            in_string = not in_string
        elif not in_string and byte in "{}[]":
            level += 1 if byte in "{[" else -1
            deepest = max(deepest, level)
    return deepest


@given(BRACKETS, st.integers(1, 20))
def test_eight_brackets_at_a_time_are_as_deep_as_one_by_one(text: bytes, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nesting, "_SLICE", size)
        assert (nesting.depth_over(text, 0) or 0) == one_by_one(text)


def test_a_line_that_cannot_be_too_deep_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nesting, "_depth", lambda _: pytest.fail("it was measured"))
    assert nesting.depth_over(b"[" * 1000 + b"]" * 1000, 1000) is None


def test_the_limit_of_recursion_is_as_before_also_after_an_error() -> None:
    before = sys.getrecursionlimit()

    def fail() -> None:
        with nesting.room_to_recurse():
            assert sys.getrecursionlimit() == before + nesting.MOST
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert sys.getrecursionlimit() == before


@pytest.mark.parametrize("filler", [b"[]", b'"["', b'""', b'"\\""', b'"\\\\"', b"[{}]", b"1"])
def test_a_deep_line_is_measured_in_pieces_of_256_kib(filler: bytes) -> None:
    line = b"[" * 990 + b",".join([filler] * (4 * MIB // len(filler))) + b"]" * 990
    tracemalloc.start()
    try:
        assert nesting.depth_over(line, 1000) is None
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 * MIB


@given(st.binary(max_size=60) | BRACKETS, st.integers(1, 20))
def test_no_stretch_of_a_window_has_more_openings_than_the_densest(text: bytes, window: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nesting, "WINDOW", window)
        marks = nesting.count_marks(text)
    assert (marks.lines, marks.openings) == (text.count(b"\n"), nesting.count_openings(text))
    stretches = (text[start : start + window] for start in range(len(text)))
    assert max(map(nesting.count_openings, stretches), default=0) <= marks.densest <= marks.openings
