"""What macOS adds is dropped by its bytes: files of users that are called so stay."""

from __future__ import annotations

import pytest

from shared.archive.events import ArchiveEvent, EntryDropped, EntryStarted, EntryWithdrawn
from shared.archive.names import NameRules
from tests.support.archives import CUTS, entry, events, header, packed, read

pytestmark = pytest.mark.parametrize("cut", CUTS)

DOUBLE = b"\0\5\26\7\0\2\0\0Mac OS X"
SETTINGS = b"\0\0\0\1Bud1\0\0"
RULES = NameRules(users_folders=("uploads/",))


def names(*parts: bytes, cut: int) -> list[str]:
    return [each.name for each in read(packed(*parts), cut=cut, rules=RULES)]


def not_of_content(*parts: bytes, cut: int) -> list[ArchiveEvent]:
    found = events(packed(*parts), cut=cut, rules=RULES)
    return [each for each in found if isinstance(each, (EntryDropped, EntryWithdrawn))]


@pytest.mark.parametrize(
    ("double", "sibling"),
    [
        (b"._x", b"x"),
        (b"a/b/._x", b"a/b/x"),
        (b"uploads/._x", b"uploads/x"),
        (b"__MACOSX/._x", b"x"),
        (b"__MACOSX/a/._x", b"a/x"),
        (b"._d", b"d/"),
        (b"a/._d", b"a/d/"),
        (b"d/._.", b"d/"),
    ],
)
def test_an_apple_double_is_dropped_whether_its_sibling_comes_before_or_after(
    double: bytes, sibling: bytes, cut: int
) -> None:
    there = header(sibling, kind=b"5") if sibling.endswith(b"/") else entry(sibling, b"data")
    parts = [entry(double, DOUBLE), there, entry(b"between", b"1")]
    name, between = sibling.decode().rstrip("/"), "between"
    assert names(*parts[1:], parts[0], cut=cut) == [name, between]
    assert not_of_content(*parts[1:], parts[0], cut=cut) == [EntryDropped(double.decode())]
    assert names(parts[0], parts[2], parts[1], cut=cut) == [between, name]
    assert not_of_content(parts[0], parts[2], parts[1], cut=cut) == [
        EntryWithdrawn(double.decode(), is_litter=True)
    ]


def test_that_of_the_root_needs_no_sibling(cut: int) -> None:
    assert names(entry(b"./._.", DOUBLE), header(b"./", kind=b"5"), cut=cut) == []


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\5\26", b"%PDF-1.7", b"x" * 5000])
def test_a_file_that_is_only_called_so_is_kept(data: bytes, cut: int) -> None:
    parts = [entry(b"x", b"1"), entry(b"._x", data), entry(b"y", b"2")]
    found = read(packed(*parts), cut=cut)
    assert [(each.name, each.data) for each in found] == [("x", b"1"), ("._x", data), ("y", b"2")]


def test_an_apple_double_without_a_sibling_is_kept(cut: int) -> None:
    found = read(packed(entry(b"a/._x", DOUBLE * 99), entry(b"b/x", b"1")), cut=cut)
    assert [(each.name, each.data) for each in found] == [("a/._x", DOUBLE * 99), ("b/x", b"1")]


@pytest.mark.parametrize(
    ("name", "data", "is_kept"),
    [
        (b".DS_Store", SETTINGS, False),
        (b"tree/.DS_Store", SETTINGS * 999, False),
        (b"tree/.DS_Store", b"a note", True),
        (b"tree/.DS_Store", SETTINGS[:7], True),
        (b"uploads/0/.DS_Store", SETTINGS, True),
        (b"tree/DS_Store", SETTINGS, True),
    ],
)
def test_folder_settings_are_dropped_where_they_are_such_and_no_upload(
    name: bytes, data: bytes, *, is_kept: bool, cut: int
) -> None:
    if cut > 1 or len(data) < 5000:
        assert names(entry(name, data), entry(b"z", b"1"), cut=cut) == [
            *([name.decode()] if is_kept else []), "z",
        ]  # fmt: skip


@pytest.mark.parametrize("name", [b"__MACOSX/x", b"a/__MACOSX/x", b"Thumbs.db", b"x._", b"a._b"])
def test_other_files_are_kept_whatever_their_folder(name: bytes, cut: int) -> None:
    assert names(entry(name, DOUBLE), cut=cut) == [name.decode()]


def test_folders_are_kept_whatever_they_are_called(cut: int) -> None:
    parts = [header(name, kind=b"5") for name in (b"__MACOSX/", b"._d/", b"d/")]
    assert names(*parts, cut=cut) == ["__MACOSX", "._d", "d"]


def test_an_apple_double_that_is_replaced_by_another_file_is_forgotten(cut: int) -> None:
    parts = [entry(b"._x", DOUBLE), entry(b"._x", b"a letter"), entry(b"x", b"1")]
    found = read(packed(*parts), cut=cut)
    assert [(each.name, each.data) for each in found] == [("._x", b"a letter"), ("x", b"1")]


@pytest.mark.parametrize(("name", "litter"), [(b"._x", DOUBLE), (b".DS_Store", SETTINGS)])
def test_what_replaces_a_file_is_kept_in_its_place(name: bytes, litter: bytes, cut: int) -> None:
    found = read(packed(entry(b"x"), entry(name, b"a letter"), entry(name, litter)), cut=cut)
    assert [(each.name.encode(), each.data) for each in found] == [(b"x", b""), (name, litter)]


def test_what_is_dropped_is_an_entry(cut: int) -> None:
    *_, ended = events(packed(entry(b"x"), entry(b"._x", DOUBLE)), cut=cut)
    assert not isinstance(ended, EntryStarted)
    assert ended.entries == 2  # type: ignore[union-attr]  # the end
