import json
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.gitlab import nesting

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
TOKEN = st.one_of(
    st.sampled_from(["{", "}", "[", "]", ",", ":", " ", "\t", "\r", "/", '"', "\\", "\x01", "é"]),
    st.sampled_from(['"a"', '"k":', "1", "-", "0", ".5", "e3", "true", "null", "nul", "NaN", '"\t"']),
    st.sampled_from(['"\\""', '"\\\\"', '"\\q"', '"\\u00e9"', '"\\u12"', '"\\ud83d\\ude00"', '"\\ud83d"']),
    st.sampled_from(['"\\ude00"', '"\\ud83d\\u0041"', '"\\ud83d\\ud83d"', '"\\uD83D\\uDE00"']),
)
TOKENS = st.lists(TOKEN, max_size=12).map("".join)


def measured(value: object) -> int:
    children: Sequence[object] = ()
    if isinstance(value, dict):
        children = list(value.values())
    elif isinstance(value, list):
        children = value
    else:
        return 0
    return 1 + max(map(measured, children), default=0)


def is_json(text: bytes | bytearray) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except msgspec.DecodeError:
        return False
    return True


def walks(text: bytes) -> bool:
    try:
        return is_json(nesting.flatten(text))
    except nesting.MalformedJson:
        return False


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


@given(VALUES)
def test_the_walk_takes_all_json(value: object) -> None:
    text = json.dumps([[value]], ensure_ascii=False).encode()
    flat = nesting.flatten(text)
    assert len(flat) == len(text)
    assert json.loads(flat) == [0]


@given(TOKENS)
def test_the_walk_and_the_decoder_agree_on_what_is_json(text: str) -> None:
    for wrapped in (f"[[{text}]]", f'{{"a":{{{text}}}}}', f'[{{"a":{text}}}]', text):
        line = wrapped.encode()
        assert walks(line) == is_json(line), line


def test_what_is_flattened_keeps_the_place_of_the_rest() -> None:
    assert nesting.flatten(b'{"a":[1,{"b":2}],"t":"[x]"}') == b'{"a":0          ,"t":"[x]"}'


def test_the_walk_is_not_limited_by_a_stack() -> None:
    line = b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    assert json.loads(nesting.flatten(line)) == {"a": 0}
    with pytest.raises(nesting.MalformedJson):
        nesting.flatten(line[:-2] + b"}}")
