from __future__ import annotations

import pytest

from services.api.http.preconditions import is_unchanged
from services.api.http.ranges import ByteRange, RangeUnsatisfiable, read_range, wants_range


def _range(value: str, *, size: int = 10, if_range: str | None = None) -> ByteRange | None:
    headers = {"Range": value} | ({"If-Range": if_range} if if_range else {})
    return read_range(headers, size=size, etag='"e"', last_modified="then")


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("bytes=0-0", ByteRange(0, 1)),
        ("bytes=2-", ByteRange(2, 8)),
        ("bytes=-3", ByteRange(7, 3)),
        ("bytes=-30", ByteRange(0, 10)),
        ("Bytes=5-99", ByteRange(5, 5)),
    ],
)
def test_one_range_is_given(value: str, part: ByteRange) -> None:
    assert _range(value) == part


@pytest.mark.parametrize("value", ["", "bytes=5-2", "bytes=-", "bytes=0-1,3-4", "lines=1-2", "bytes=a-b"])
def test_what_is_no_single_range_gets_the_whole(value: str) -> None:
    assert _range(value) is None


@pytest.mark.parametrize("value", ["bytes=10-", "bytes=10-20", "bytes=-0"])
def test_a_range_without_a_byte_is_unsatisfiable(value: str) -> None:
    with pytest.raises(RangeUnsatisfiable):
        _range(value)


@pytest.mark.parametrize(
    ("if_range", "holds"), [('"e"', True), ("then", True), ('W/"e"', False), ("now", False)]
)
def test_a_range_of_another_state_gets_the_whole(if_range: str, *, holds: bool) -> None:
    assert (_range("bytes=0-1", if_range=if_range) is not None) is holds


@pytest.mark.parametrize(
    ("value", "expected"),
    [("bytes=1-", True), ("bytes=0-", True), ("bytes=-5", True), ("bytes=-", False), ("", False),
     ("bytes=0-1,3-4", False), ("x", False)],
)  # fmt: skip
def test_a_request_for_one_range_is_known(value: str, *, expected: bool) -> None:
    assert wants_range({"Range": value}) is expected


@pytest.mark.parametrize(
    ("known", "expected"), [('"e"', True), ('"x", W/"e"', True), ("*", True), ('"x"', False), ("", False)]
)
def test_unchanged_is_what_the_client_names(known: str, *, expected: bool) -> None:
    assert is_unchanged({"If-None-Match": known}, '"e"') is expected
