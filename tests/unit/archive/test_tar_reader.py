from __future__ import annotations

import pytest

from shared.archive.errors import (
    AbsoluteName,
    ArchiveTooLarge,
    BadChecksum,
    BadNumber,
    Device,
    DirectoryWithData,
    EmptyName,
    FileAndDirectory,
    GarbageAfterArchive,
    HardLink,
    MultiVolume,
    NamedPipe,
    NameTooLong,
    NotTar,
    ParentInName,
    SymbolicLink,
    TooManyEntries,
    Truncated,
    UnknownType,
)
from shared.archive.events import EntryLeftOut, EntryWithdrawn, TarEntryKind
from shared.archive.limits import Limits
from shared.archive.names import NameRules
from shared.errors import ArchiveError
from tests.support.archives import (
    CUTS,
    GNU,
    V7,
    Entry,
    assert_refused,
    entry,
    events,
    header,
    long_name,
    packed,
    pax,
    pax_record,
    read,
    told,
)

pytestmark = pytest.mark.parametrize("cut", CUTS)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (b"1", HardLink),
        (b"2", SymbolicLink),
        (b"3", Device),
        (b"4", Device),
        (b"6", NamedPipe),
        (b"M", MultiVolume),
        (b"N", UnknownType),
        (b"A", UnknownType),
        (b"\xff", UnknownType),
    ],
)
@pytest.mark.parametrize("name", [b"./the-entry", b"./._the-entry", b"./__MACOSX/the-entry"])
def test_other_types_than_files_and_directories_are_refused(
    kind: bytes, error: type[ArchiveError], name: bytes, cut: int
) -> None:
    assert_refused(error, entry(b"./first"), header(name, kind=kind, link=b"./first"), cut=cut)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        (b"/the-entry", AbsoluteName),
        (b"../the-entry", ParentInName),
        (b"./a/../../the-entry", ParentInName),
    ],
)
@pytest.mark.parametrize("how", ["header", "long name", "pax"])
def test_unsafe_names_are_refused_however_they_come(
    name: bytes, error: type[ArchiveError], how: str, cut: int
) -> None:
    before = {"header": b"", "long name": long_name(name), "pax": pax(pax_record(b"path", name))}[how]
    assert_refused(error, before, entry(name if how == "header" else b"harmless"), cut=cut)


@pytest.mark.parametrize(
    "name", [b"the-entry\xff", b"the-entry\n", "the-entry\x9b".encode(), b"a/\x1b[2J", b"the-entry\0hidden"]
)
@pytest.mark.parametrize("how", ["long name", "pax"])
@pytest.mark.parametrize("kind", [b"0", b"5"])
def test_an_unusable_name_costs_its_entry_and_no_other(name: bytes, how: str, kind: bytes, cut: int) -> None:
    before = {"long name": long_name(name), "pax": pax(pax_record(b"path", name))}[how]
    data = b"" if kind == b"5" else b"d" * 700
    archive = packed(entry(b"first", b"1"), before, entry(b"harmless", data, kind=kind), entry(b"last", b"2"))
    assert [(found.name, found.data) for found in read(archive, cut=cut)] == [("first", b"1"), ("last", b"2")]
    (left_out,) = (event for event in events(archive, cut=cut) if isinstance(event, EntryLeftOut))
    assert (left_out.number, left_out.error.name) == (2, name)


def test_a_link_with_an_unusable_name_is_refused(cut: int) -> None:
    assert_refused(SymbolicLink, header(b"the-entry\xff", kind=b"2", link=b"/etc/passwd"), cut=cut)


def test_entries_of_unusable_names_count_for_the_limit(cut: int) -> None:
    with pytest.raises(TooManyEntries):
        read(packed(*[entry(b"\xff")] * 3), cut=cut, limits=Limits(entries=2))


def test_the_root_may_be_called_a_slash(cut: int) -> None:
    assert told(header(b"/", kind=b"5"), entry(b"VERSION", b"0.2.4"), cut=cut) == [("VERSION", b"0.2.4")]


def test_names_of_an_archive_are_taken_without_their_first_slash_and_no_others(cut: int) -> None:
    rules = NameRules(roots=frozenset({"VERSION", "tree"}))
    archive = packed(header(b"/tree/", kind=b"5"), entry(b"/tree/a", b"1"), entry(b"/VERSION", b"2"))
    assert [found.name for found in read(archive, cut=cut, rules=rules)] == ["tree", "tree/a", "VERSION"]
    with pytest.raises(AbsoluteName):
        read(packed(entry(b"/root/.ssh/authorized_keys", b"x")), cut=cut, rules=rules)


def test_a_directory_of_an_incremental_archive_is_one_without_its_list(cut: int) -> None:
    listed = b"YVERSION\0Dtree\0\0" * 99
    archive = packed(entry(b"./d/", listed, kind=b"D", magic=GNU), entry(b"d/f", b"1"))
    assert [(each.name, each.kind, each.data) for each in read(archive, cut=cut)] == [
        ("d", TarEntryKind.DIRECTORY, b""), ("d/f", TarEntryKind.FILE, b"1"),
    ]  # fmt: skip


def test_the_list_of_a_directory_counts_for_the_limit(cut: int) -> None:
    with pytest.raises(ArchiveTooLarge):
        read(packed(header(b"d/", kind=b"D", size=10**9)), cut=cut, limits=Limits(decompressed=10**8))


@pytest.mark.parametrize("before", [b"", long_name(b""), header(kind=b"L"), pax(pax_record(b"path", b""))])
def test_an_empty_name_is_refused(before: bytes, cut: int) -> None:
    assert_refused(EmptyName, before, entry(b"./file" if before else b""), cut=cut, named="''")


def test_a_file_cannot_be_the_root(cut: int) -> None:
    assert_refused(EmptyName, entry(b"."), cut=cut, named="'.'")


def test_the_root_directory_is_not_told(cut: int) -> None:
    assert told(header(b"./", kind=b"5"), entry(b"./a"), cut=cut) == [("a", b"")]


def test_names_of_ten_thousand_bytes_are_over_the_limit(cut: int) -> None:
    assert_refused(NameTooLong, long_name(b"the-entry" + b"n" * 10_000), entry(), cut=cut)


def test_files_and_directories_are_told_in_order(cut: int) -> None:
    parts = [header(b"./d/", kind=b"5", mtime=5), entry(b"./d/f", b"data" * 200), header(b"./d/g", mtime=7)]
    assert read(packed(*parts), cut=cut) == [
        Entry("d", TarEntryKind.DIRECTORY, 5, b""),
        Entry("d/f", TarEntryKind.FILE, 0, b"data" * 200),
        Entry("d/g", TarEntryKind.FILE, 7, b""),
    ]


@pytest.mark.parametrize("size", [1, 511, 512, 513, 1024])
def test_data_of_any_size_is_padded_to_blocks(size: int, cut: int) -> None:
    data = b"d" * size
    assert told(entry(b"a", data), entry(b"b", data), cut=cut) == [("a", data), ("b", data)]


@pytest.mark.parametrize("kind", [b"\0", b"7"])
def test_old_and_contiguous_files_are_files(kind: bytes, cut: int) -> None:
    assert told(entry(b"a", b"data", kind=kind, magic=V7), cut=cut) == [("a", b"data")]


@pytest.mark.parametrize("kind", [b"0", b"\0"])
def test_a_slash_at_the_end_makes_a_directory(kind: bytes, cut: int) -> None:
    (found,) = read(packed(header(b"old/", kind=kind, magic=V7)), cut=cut)
    assert (found.name, found.kind) == ("old", TarEntryKind.DIRECTORY)


@pytest.mark.parametrize("kind", [b"0", b"5"])
def test_a_directory_with_data_is_refused(kind: bytes, cut: int) -> None:
    assert_refused(DirectoryWithData, entry(b"the-entry/", b"data", kind=kind), cut=cut)


def test_times_are_clamped_to_what_a_header_can_say(cut: int) -> None:
    parts = [
        header(b"a", mtime=(-5).to_bytes(12, "big", signed=True)),
        header(b"b", mtime=b"\x80" + b"\xff" * 11),
        pax(pax_record(b"mtime", b"-1.5")),
        header(b"c"),
    ]
    assert [found.mtime for found in read(packed(*parts), cut=cut)] == [0, 8**11 - 1, 0]


def test_of_files_with_one_name_the_last_counts_whatever_its_spelling(cut: int) -> None:
    parts = [entry(b"./a", b"1"), entry(b"b", b"2"), entry(b".//a", b"3"), entry(b"/a", b"44")]
    archive, rules = packed(*parts), NameRules(roots=frozenset({"a"}))
    assert [(each.name, each.data) for each in read(archive, cut=cut, rules=rules)] == [
        ("b", b"2"), ("a", b"44"),
    ]  # fmt: skip
    withdrawn = [each for each in events(archive, cut=cut, rules=rules) if isinstance(each, EntryWithdrawn)]
    assert withdrawn == [EntryWithdrawn("a", is_litter=False)] * 2


def test_a_directory_may_come_twice(cut: int) -> None:
    assert len(read(packed(header(b"d/", kind=b"5"), header(b"./d", kind=b"5")), cut=cut)) == 2


@pytest.mark.parametrize("second", [header(b"the-entry/", kind=b"5"), entry(b"the-entry/below")])
def test_a_file_that_is_a_directory_too_is_refused(second: bytes, cut: int) -> None:
    assert_refused(FileAndDirectory, entry(b"the-entry"), second, cut=cut)


@pytest.mark.parametrize("end", [b"", bytes(512), bytes(1024), bytes(10240), bytes(300_000)])
def test_zero_blocks_at_the_end_may_be_any_number(end: bytes, cut: int) -> None:
    assert len(read(packed(entry(b"a", b"1"), end=end), cut=cut)) == 1


def test_zero_blocks_alone_are_an_archive_without_entries(cut: int) -> None:
    assert read(packed(end=bytes(10240)), cut=cut) == []


@pytest.mark.parametrize("zeros", [512, 1024, 10240])
@pytest.mark.parametrize("garbage", [b"x", entry(b"b")])
def test_anything_after_a_zero_block_is_refused(zeros: int, garbage: bytes, cut: int) -> None:
    assert_refused(GarbageAfterArchive, entry(b"the-entry"), bytes(zeros), garbage, cut=cut)


@pytest.mark.parametrize("left", [1, 511, 512, 512 + 1, 512 + 700, 512 + 1023])
@pytest.mark.parametrize("size", [700, 1024])
def test_an_archive_cut_inside_an_entry_is_refused(left: int, size: int, cut: int) -> None:
    whole = entry(b"./the-entry", b"d" * size)
    with pytest.raises(Truncated, match="the-first" if left < 512 else "the-entry"):
        read(packed(entry(b"the-first"), whole[:left], end=b""), cut=cut)


@pytest.mark.parametrize("start", [b"", b"x", b"hello world\n" * 100, bytes(100)])
def test_what_does_not_begin_with_a_header_is_no_tar(start: bytes, cut: int) -> None:
    with pytest.raises(NotTar):
        read(packed(start, end=b""), cut=cut)


def test_a_damaged_header_is_refused_by_its_place(cut: int) -> None:
    with pytest.raises(BadChecksum, match=r"byte 1024, after 'the-first'"):
        read(packed(entry(b"the-first", b"1"), b"x" * 512), cut=cut)


def test_a_negative_size_is_refused_by_name(cut: int) -> None:
    assert_refused(BadNumber, header(b"the-entry", size=b"\xff" * 12), cut=cut)
