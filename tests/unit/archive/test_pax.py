from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.archive import pax
from shared.archive.errors import BadPaxHeader, BadSparseMap
from shared.archive.pax import PaxHeader, check_global_pax
from shared.archive.sparse import Sparse
from tests.support.archives import pax_record

NAME = b"./the-entry"
NOTHING = PaxHeader(path=None, size=None, mtime=None)


def parse_pax(data: bytes, name: bytes) -> PaxHeader:
    return pax.parse_pax(data, name, stretches=4)


def test_path_size_and_time_are_read() -> None:
    data = pax_record(b"path", "ü".encode()) + pax_record(b"size", b"5") + pax_record(b"mtime", b"7.9")
    assert parse_pax(data, NAME) == PaxHeader(path="ü".encode(), size=5, mtime=7)


@pytest.mark.parametrize(("text", "seconds"), [(b"0", 0), (b"-1.5", -1), (b"1700000000.", 1_700_000_000)])
def test_times_are_cut_to_seconds(text: bytes, seconds: int) -> None:
    assert parse_pax(pax_record(b"mtime", text), NAME).mtime == seconds


@pytest.mark.parametrize(
    "keyword", [b"uid", b"linkpath", b"SCHILY.xattr.user.a", b"LIBARCHIVE.creationtime", b"comment", b"atime"]
)
def test_other_keywords_are_ignored(keyword: bytes) -> None:
    assert parse_pax(pax_record(keyword, b"a=b\nc"), NAME) == NOTHING
    check_global_pax(pax_record(keyword, b"a=b\nc").replace(b"linkpath", b"LINKPATH"), NAME)


def test_the_last_record_of_a_keyword_counts() -> None:
    assert parse_pax(pax_record(b"path", b"a") + pax_record(b"path", b"b"), NAME).path == b"b"


def test_a_header_has_so_many_records_and_no_more() -> None:
    records = pax_record(b"a", b"") * 1000
    assert parse_pax(records, NAME) == NOTHING
    for check in (parse_pax, check_global_pax):
        with pytest.raises(BadPaxHeader, match="more than 1000 records"):
            check(records + pax_record(b"a", b""), NAME)


def test_an_empty_header_overrides_nothing() -> None:
    assert parse_pax(b"", NAME) == NOTHING


@pytest.mark.parametrize(
    "data",
    [
        b"\n",
        b"x",
        b"0 \n",
        b"1 ",
        b"5 a=b",
        b"6 a=b",
        b"7 a=b\n",
        b"5 a=b\n",
        b"-6 a=b\n",
        b"+6 a=b\n",
        b" 6 a=b\n",
        b"5 ab\n",
        b"5 =b\n",
        b"6 a=b\n\0",
        b"6 a=b\n6 a=",
        b"999999999999999999999 a=b\n",
    ],
)
def test_broken_records_are_refused_by_the_entrys_name(data: bytes) -> None:
    for parse in (parse_pax, check_global_pax):
        with pytest.raises(BadPaxHeader, match=r"\./the-entry"):
            parse(data, NAME)


@pytest.mark.parametrize("keyword", [b"size", b"mtime"])
@pytest.mark.parametrize("number", [b"", b"x", b"1_0", b" 1", b"0x1", b"1e3", b"9" * 19, b"9" * 5000])
def test_malformed_and_absurd_numbers_are_refused(keyword: bytes, number: bytes) -> None:
    with pytest.raises(BadPaxHeader, match=r"\./the-entry"):
        parse_pax(pax_record(keyword, number), NAME)


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(BadPaxHeader):
        parse_pax(pax_record(b"size", b"-1"), NAME)


def _sparse(**values: bytes) -> bytes:
    return b"".join(pax_record(b"GNU.sparse." + name.encode(), value) for name, value in values.items())


@pytest.mark.parametrize(
    ("data", "sparse"),
    [
        (_sparse(size=b"9", offset=b"1", numbytes=b"2"), Sparse(size=9, numbers=[1, 2])),
        (_sparse(size=b"9", numblocks=b"0"), Sparse(size=9, numbers=[])),
        (_sparse(size=b"9", map=b"1,2,4,5", name=b"n"), Sparse(size=9, numbers=[1, 2, 4, 5], name=b"n")),
        (_sparse(size=b"9", map=b""), Sparse(size=9, numbers=[])),
        (
            _sparse(major=b"1", minor=b"0", name=b"n", realsize=b"9"),
            Sparse(size=9, numbers=None, name=b"n"),
        ),
    ],
)
def test_what_is_said_of_a_sparse_file_is_read_in_each_version(data: bytes, sparse: Sparse) -> None:
    found = parse_pax(data, NAME)
    assert (found.sparse, found.path) == (sparse, sparse.name)


@pytest.mark.parametrize(
    "data",
    [
        _sparse(major=b"1", minor=b"0"),
        _sparse(major=b"2", minor=b"0", realsize=b"9"),
        _sparse(major=b"1", minor=b"1", realsize=b"9"),
        _sparse(size=b"x", map=b"0,1"),
        _sparse(size=b"-1", map=b""),
        _sparse(size=b"9" * 20, map=b""),
        _sparse(size=str(2**63).encode(), map=b""),
        _sparse(size=b"9", map=b"0,x"),
        _sparse(size=b"9", map=b"0,1,"),
        _sparse(size=b"9", offset=b"0"),
        _sparse(size=b"9", numbytes=b"1", offset=b"0"),
        _sparse(size=b"9", map=b",".join([b"0"] * 9)),
    ],
)
def test_what_is_wrong_of_a_sparse_file_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(BadSparseMap, match=r"\./the-entry"):
        parse_pax(data, NAME)


def test_a_global_header_makes_no_file_sparse() -> None:
    with pytest.raises(BadPaxHeader, match="for all entries"):
        check_global_pax(_sparse(major=b"1"), NAME)


@pytest.mark.parametrize("keyword", [b"path", b"linkpath", b"size"])
def test_a_global_header_cannot_rename_or_resize_entries(keyword: bytes) -> None:
    with pytest.raises(BadPaxHeader, match=f"'{keyword.decode()}' for all entries"):
        check_global_pax(pax_record(keyword, b"1"), b"pax_global_header")


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.dictionaries(st.sampled_from([b"path", b"a", b"bb"]), st.binary(max_size=1200)))
def test_values_may_be_any_bytes(values: dict[bytes, bytes]) -> None:
    data = b"".join(pax_record(keyword, value) for keyword, value in values.items())
    assert parse_pax(data, NAME).path == values.get(b"path")
