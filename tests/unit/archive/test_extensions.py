from __future__ import annotations

import pytest

from shared.archive.errors import (
    BadPaxHeader,
    DirectoryWithData,
    HeaderTooLarge,
    RepeatedExtension,
    SymbolicLink,
    Truncated,
)
from shared.archive.events import TarEntryKind
from tests.support.archives import (
    CUTS,
    GNU,
    Entry,
    assert_refused,
    entry,
    header,
    long_name,
    packed,
    padded,
    pax,
    pax_record,
    read,
    told,
)

pytestmark = pytest.mark.parametrize("cut", CUTS)

LONG = b"./" + b"directory/" * 30 + b"file"
LONG_TOLD = LONG.decode().removeprefix("./")


def test_a_gnu_long_name_replaces_the_name(cut: int) -> None:
    assert told(long_name(LONG), entry(LONG[:100], b"data"), entry(b"b"), cut=cut) == [
        (LONG_TOLD, b"data"),
        ("b", b""),
    ]


def test_a_gnu_long_link_of_a_file_is_ignored(cut: int) -> None:
    assert told(long_name(b"target" * 50, kind=b"K"), long_name(LONG), entry(), cut=cut) == [(LONG_TOLD, b"")]


def test_a_link_with_a_long_name_is_refused_by_it(cut: int) -> None:
    parts = [
        long_name(b"t" * 200, kind=b"K"),
        long_name(b"the-entry" * 20),
        header(kind=b"2", link=b"t" * 100),
    ]
    assert_refused(SymbolicLink, *parts, cut=cut)


def test_pax_overrides_name_size_and_time(cut: int) -> None:
    before = pax(pax_record(b"path", LONG), pax_record(b"size", b"700"), pax_record(b"mtime", b"9.5"))
    body = b"d" * 700
    assert read(packed(before, header(size=0, mtime=1), padded(body), entry(b"b")), cut=cut) == [
        Entry(LONG_TOLD, TarEntryKind.FILE, 9, body),
        Entry("b", TarEntryKind.FILE, 0, b""),
    ]


@pytest.mark.parametrize("pax_first", [True, False])
def test_pax_has_the_last_word_over_a_gnu_long_name(pax_first: bool, cut: int) -> None:  # noqa: FBT001 -- parametrized
    both = [pax(pax_record(b"path", b"by-pax"), pax_record(b"size", b"3")), long_name(b"by-gnu" * 30)]
    parts = both if pax_first else both[::-1]
    assert told(*parts, header(), padded(b"abc"), cut=cut) == [("by-pax", b"abc")]


def test_a_malformed_pax_header_is_refused_by_the_entrys_name(cut: int) -> None:
    assert_refused(BadPaxHeader, pax(b"99 path=x\n"), entry(b"the-entry"), cut=cut)


def test_a_pax_size_does_not_make_a_directory_with_data(cut: int) -> None:
    before = pax(pax_record(b"size", b"512"))
    assert_refused(DirectoryWithData, before, header(b"the-entry/", kind=b"5"), bytes(512), cut=cut)


def test_global_headers_and_volume_labels_are_ignored(cut: int) -> None:
    label = header(b"Volume 1", kind=b"V", magic=GNU)
    comment = pax(pax_record(b"comment", b"1234abcd"), pax_record(b"mtime", b"5"), kind=b"g")
    assert told(label, comment, pax(kind=b"g"), entry(b"a", b"1"), cut=cut) == [("a", b"1")]


def test_a_global_path_is_refused(cut: int) -> None:
    assert_refused(BadPaxHeader, pax(pax_record(b"path", b"x"), kind=b"g"), entry(), cut=cut, named="path")


REPEATED = [long_name(b"a"), long_name(b"a", kind=b"K"), pax(pax_record(b"path", b"a"))]


@pytest.mark.parametrize("extension", REPEATED)
def test_an_extension_comes_once_for_an_entry(extension: bytes, cut: int) -> None:
    assert_refused(RepeatedExtension, extension, extension, entry(b"b"), cut=cut, named="repeated")


def test_an_extension_is_for_the_next_entry_only(cut: int) -> None:
    parts = [
        long_name(b"a"),
        entry(b"1"),
        entry(b"b"),
        pax(pax_record(b"path", b"c")),
        entry(b"2"),
        entry(b"d"),
    ]
    assert [name for name, _ in told(*parts, cut=cut)] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("kind", [b"L", b"K", b"x", b"g"])
def test_an_extension_over_the_limit_is_refused_before_it_is_read(kind: bytes, cut: int) -> None:
    announced = header(b"the-entry", kind=kind, size=b"\x80" + (2**62).to_bytes(11, "big"))
    assert_refused(HeaderTooLarge, announced, cut=cut)


@pytest.mark.parametrize("extension", [long_name(LONG), pax(pax_record(b"path", LONG))])
@pytest.mark.parametrize("end", [b"", bytes(1024)])
def test_an_extension_without_its_entry_is_refused(extension: bytes, end: bytes, cut: int) -> None:
    with pytest.raises(Truncated, match="'a'"):
        read(packed(entry(b"a"), extension, end=end), cut=cut)


@pytest.mark.parametrize("kind", [b"L", b"x", b"g"])
def test_an_extension_cut_between_blocks_is_refused(kind: bytes, cut: int) -> None:
    with pytest.raises(Truncated, match="'a'"):
        read(packed(entry(b"a"), header(kind=kind, size=1024), bytes(512), end=b""), cut=cut)
