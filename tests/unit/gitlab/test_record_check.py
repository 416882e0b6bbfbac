import sys
import tracemalloc
from collections.abc import Callable

import pytest

from shared.gitlab.record_check import NullLine, Record, RefusedLine, Verdict, check_line

DEPTH = 1000


def verdict(line: bytes, *, relation: str = "unknown", depth: int = DEPTH) -> Verdict:
    return check_line(line, relation=relation, depth=depth)


def refused(line: bytes, *, relation: str = "unknown") -> RefusedLine:
    found = verdict(line, relation=relation)
    assert isinstance(found, RefusedLine)
    assert len(found.message) <= 255
    return found


def nested(depth: int, *, inner: bytes = b"") -> bytes:
    return b'{"title":"t","x":' + b"[" * (depth - 1) + inner + b"]" * (depth - 1) + b"}\n"


def at_call_depth(calls: int, call: Callable[[], Verdict]) -> Verdict:
    return call() if not calls else at_call_depth(calls - 1, call)


@pytest.mark.parametrize("line", [b"null", b"null\n", b" null \r\n"])
def test_null_is_an_absent_object(line: bytes) -> None:
    assert verdict(line, relation="issues") == NullLine()


@pytest.mark.parametrize(
    "line",
    [
        b'{"title":"t"}',
        b'{"title":"t"}\r\n',
        b'  {"title":"t"}\n',
        b'{"title":"a\\u0000b"}\n',
        b'{"title":"t","title":"again"}\n',
        b'{"title":"t","id":' + b"9" * 5000 + b"}\n",
        b'{"title":"t","x":1e400}\n',
        b'{"title":123}\n',
        '{"title":"日本語 😀 \u2028"}\n'.encode(),
        b'{"title":"\\ud83d\\ude00"}\n',
        b'{"title":"t","iid":"no number"}\n',
    ],
)
def test_what_gitlab_writes_and_takes_is_a_record(line: bytes) -> None:
    assert verdict(line, relation="issues") == Record()


@pytest.mark.parametrize(
    ("line", "at", "reason"),
    [
        (b'{"title": oops}\n', 10, "invalid character"),
        (b'{"a":1}{"b":2}\n', 7, "a second value on the line"),
        (b'{"a":1} {"b":2}\n', 8, "a second value on the line"),
        (b"null null\n", 5, "a second value on the line"),
        (b'"a" "b"\n', 4, "a second value on the line"),
        (b"[] []\n", 3, "a second value on the line"),
        (b'\xef\xbb\xbf{"a":1}\n', 0, "byte order mark"),
        (b'{"a":"b', 7, "unexpected end"),
        (b'{"a":"b\n', 7, "unexpected end"),
        (b'{"a":"b\r\n', 7, "unexpected end"),
        (b'{"a":"b\nc"}\n', 7, "raw control character"),
        (b'{"a":1,}\n', 7, "trailing comma"),
        (b"{'a':1}\n", 1, "object keys must be strings"),
        (b'{"a" 1}\n', 5, "expected ':'"),
        (b'{"a":01}\n', 6, "invalid number"),
        (b'{"a":NaN}\n', 5, "invalid character"),
        (b'{/* a */"a":1}\n', 1, "object keys must be strings"),
        (b'{"a":"\\q"}\n', 7, "invalid escaped character"),
        (b'{"a":"\t"}\n', 6, "raw control character"),
        (b'{"a":"\x00"}\n', 6, "raw control character"),
        (b'{"a":"\\ud800"}\n', 6, "half a surrogate pair"),
    ],
)
def test_bad_json_is_refused_with_the_place(line: bytes, at: int, reason: str) -> None:
    found = refused(line)
    assert found.exception_class == "JSON::ParserError"
    assert found.message.startswith(reason)
    assert f" at byte {at}: " in found.message


@pytest.mark.parametrize("half", [b"\\ud800", b"\\uDC00", b"\\ud800\\ud800", b"\\ud800\\u0041", b"\\uDBFF "])
@pytest.mark.parametrize("where", [b'{"title":"%s"}', b'{"x":["%s and a long tail of text"]}', b'{"%s":1}'])
def test_half_a_surrogate_pair_is_refused(half: bytes, where: bytes) -> None:
    assert refused(where % half).exception_class == "JSON::ParserError"


def test_no_more_than_forty_bytes_of_content_are_told() -> None:
    assert "s" * 41 not in refused(b'{"a":' + b"s" * 1000).message
    assert len(refused(b"\x80" * 1000).message) <= 255


@pytest.mark.parametrize(
    ("line", "kind"),
    [(b"12\n", "a number"), (b"1.5\n", "a number"), (b'"text"\n', "a string"), (b"[{}]\n", "an array")],
)
def test_what_is_no_object_is_refused(line: bytes, kind: str) -> None:
    assert refused(line) == RefusedLine("TypeError", f"a record is a JSON object, not {kind}")


@pytest.mark.parametrize(
    ("line", "at"),
    [
        (b'{"x":"b\xff\xfeg"}', 7),
        (b'{"b\xff":1}', 3),
        (b'{"title":"b\xff"}', 11),
        (b'{"x":"\xed\xa0\x80"}', 6),
        (b'{"x":"\xc0\x80"}', 6),
        (b'{"x":"' + "é".encode() * 300_000 + b'\xe2\x82"}', 600_006),
        (b'{"x":"' + b"a" * 262_137 + b'\xe2\x82"}', 262_143),
    ],
)
def test_invalid_utf8_is_refused_wherever_it_is(line: bytes, at: int) -> None:
    assert refused(line) == RefusedLine("EncodingError", f"invalid UTF-8 at byte {at}")


@pytest.mark.parametrize("shift", range(5))
def test_a_character_across_two_slices_is_valid(shift: int) -> None:
    line = b'{"x":"' + b"a" * shift + "😀é".encode() * 100_000 + b'"}'
    assert verdict(line) == Record()


def test_a_record_of_invalid_utf8_is_still_named() -> None:
    assert refused(b'{"iid":9,"title":"\xff"}').external_identifiers == {"iid": 9}


@pytest.mark.parametrize("calls", [0, 500, 850])
@pytest.mark.parametrize("depth", [100, 400, 900, 999, 1000])
def test_nesting_up_to_the_limit_passes_whatever_the_call_depth(calls: int, depth: int) -> None:
    calls = min(calls, sys.getrecursionlimit() - 150)
    found = at_call_depth(calls, lambda: verdict(nested(depth), relation="issues"))
    assert found == Record()


@pytest.mark.parametrize("calls", [0, 500, 850])
def test_nesting_over_the_limit_is_refused_whatever_the_call_depth(calls: int) -> None:
    for depth in (1001, 100_000):
        found = at_call_depth(calls, lambda depth=depth: verdict(nested(depth)))  # type: ignore[misc]  # bound now
        assert found == RefusedLine("JSON::NestingError", f"nesting of {depth} is over the limit 1000")


@pytest.mark.parametrize("limit", [1, 2, 50, 3000])
def test_the_limit_of_nesting_is_exact(limit: int) -> None:
    assert verdict(nested(limit, inner=b"1"), depth=limit) == Record()
    assert isinstance(verdict(nested(limit + 1, inner=b"1"), depth=limit), RefusedLine)


def test_brackets_in_strings_are_no_nesting() -> None:
    assert verdict(b'{"x":"' + b"[{" * 5000 + b'"}') == Record()


@pytest.mark.parametrize("inner", [b"1 2", b"oops", b'"\t"', b"1,", b"{]"])
def test_bad_json_deep_down_is_refused(inner: bytes) -> None:
    assert refused(nested(999, inner=inner)).exception_class == "JSON::ParserError"


def test_deep_records_are_validated_too() -> None:
    line = nested(1000).replace(b'"t"', b'""').replace(b"}\n", b',"iid":3}\n')
    assert refused(line, relation="issues") == RefusedLine(
        "ActiveRecord::RecordInvalid", "Validation failed: Title can't be blank", {"iid": 3}
    )


def test_a_deep_array_is_no_record() -> None:
    assert refused(b"[" * 1000 + b"]" * 1000).exception_class == "TypeError"


@pytest.mark.parametrize(
    "title", [b"", b'"title":null,', b'"title":"",', b'"title":" \\n\\t ",', b'"title":"t","title":null,']
)
def test_a_required_attribute_may_not_be_blank(title: bytes) -> None:
    line = b'{"iid":7,' + title + b'"state":"opened"}\n'
    assert refused(line, relation="issues") == RefusedLine(
        "ActiveRecord::RecordInvalid", "Validation failed: Title can't be blank", {"iid": 7}
    )
    assert verdict(line, relation="boards") == Record()


def test_all_that_is_missing_is_told() -> None:
    assert refused(b'{"title":"t"}', relation="merge_requests").message == (
        "Validation failed: Source branch can't be blank, Target branch can't be blank"
    )


@pytest.mark.parametrize("letter", ["x", "é", "\\ud83d\\ude00"])
def test_a_title_has_255_characters_at_most(letter: str) -> None:
    line = '{{"title":"{}"}}'
    assert verdict(line.format(letter * 255).encode(), relation="labels") == Record()
    found = refused(line.format(letter * 256).encode(), relation="labels")
    assert found.message == "Validation failed: Title is too long (maximum is 255 characters)"


def test_a_required_text_of_any_length_passes_where_no_limit_is() -> None:
    assert verdict(b'{"tag":"' + b"v" * 100_000 + b'"}', relation="releases") == Record()
    assert isinstance(verdict(b'{"title":"' + b"v" * 100_000 + b'"}', relation="labels"), RefusedLine)


@pytest.mark.parametrize("line", [b"{}", b"{}\n", b" { } \r\n"])
def test_an_object_without_attributes_has_nothing_to_be_invalid(line: bytes) -> None:
    assert verdict(line, relation="protected_branches") == Record()


@pytest.mark.parametrize("iid", [b"null", b'"9"', b"-1", b"1.5", b"{}", b"9" * 100])
def test_an_identifier_that_is_no_plain_integer_is_left_out(iid: bytes) -> None:
    assert refused(b'{"iid":' + iid + b"}", relation="issues").external_identifiers == {}


@pytest.mark.parametrize("text", ["a", "é", "[", "\\\\"])
def test_a_long_line_costs_no_second_buffer(text: str) -> None:
    long = (text * (8 << 20)).encode()
    line = b'{"tag":"' + long + b'","description":"' + long + b'","links":[' + b"[]," * 2000 + b"1]}\n"
    tracemalloc.start()
    try:
        assert verdict(line, relation="releases") == Record()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20
