from __future__ import annotations

import pytest

from shared.archive.errors import (
    AbsoluteName,
    ControlCharacterInName,
    FileAndDirectory,
    NameNotUtf8,
    NameTooLong,
    ParentInName,
    TooManyEntries,
    quote_name,
)
from shared.archive.names import NameSet, normalise_name
from shared.errors import ArchiveError

ROOTS = frozenset({"tree"})


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("./tree/project.json", "tree/project.json"),
        ("tree/project.json", "tree/project.json"),
        ("./tree//./project/", "tree/project"),
        ("././a/.", "a"),
        ("./", ""),
        ("", ""),
        (".hidden/..x/x..", ".hidden/..x/x.."),
        ("a\\..\\b", "a\\..\\b"),
        ("C:/x", "C:/x"),
        ("uploads/文件 (1).png", "uploads/文件 (1).png"),
        ("a\u3000b\u200db", "a\u3000b\u200db"),
        ("/", ""),
        ("//./", ""),
        ("/tree/project.json", "tree/project.json"),
        ("//tree/./project/", "tree/project"),
        ("/./tree", "tree"),
    ],
)
def test_names_are_normalised(raw: str, name: str) -> None:
    assert normalise_name(raw.encode(), 100, ROOTS) == name


@pytest.mark.parametrize(
    ("raw", "refusal"),
    [
        (b"/etc/passwd", AbsoluteName),
        (b"//x", AbsoluteName),
        (b"/trees/x", AbsoluteName),
        (b"/./etc", AbsoluteName),
        (b"/etc/\xff", AbsoluteName),
        (b"/tree/../x", ParentInName),
        (b"/../tree", AbsoluteName),
        (b"../\xff", ParentInName),
        (b"..", ParentInName),
        (b"./../x", ParentInName),
        (b"a/../b", ParentInName),
        (b"a/..", ParentInName),
        (b"a\0b", ControlCharacterInName),
        (b"a\nb", ControlCharacterInName),
        (b"a\x1b[2Jb", ControlCharacterInName),
        (b"a\x7fb", ControlCharacterInName),
        ("a\x85b".encode(), ControlCharacterInName),
        (b"caf\xe9", NameNotUtf8),
        (b"\xed\xa0\x80", NameNotUtf8),
        (b"n" * 101, NameTooLong),
    ],
)
def test_unsafe_names_are_refused(raw: bytes, refusal: type[ArchiveError]) -> None:
    with pytest.raises(refusal) as caught:
        normalise_name(raw, 100, ROOTS)
    assert str(caught.value).startswith(quote_name(raw))


def test_messages_show_names_escaped_and_cut() -> None:
    assert quote_name(b"a\n\xff\x1b") == r"'a\n\xff\x1b'"
    assert quote_name("\u202etxt.exe") == r"'\u202etxt.exe'"
    assert quote_name("ü") == "'ü'"
    assert quote_name("n" * 1000) == f"'{'n' * 200}...'"


def test_a_file_that_comes_again_is_known() -> None:
    names = NameSet(100)
    assert [names.claim_file(name) for name in ("a/b", "a/c", "a/b")] == [2, 1, 0]
    assert "a/b" in names
    assert "a" in names
    assert "b" not in names


def test_a_directory_may_come_again_and_after_its_files() -> None:
    names = NameSet(100)
    names.claim_file("a/b/c")
    for name in ("a", "a/b", "a/b"):
        names.claim_directory(name)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("file a", "directory a"),
        ("directory a", "file a"),
        ("file a", "file a/b/c"),
        ("file a/b/c", "file a/b"),
    ],
)
def test_a_name_is_not_both_a_file_and_a_directory(first: str, second: str) -> None:
    names = NameSet(100)

    def claim(what: str) -> None:
        kind, name = what.split(" ")
        (names.claim_file if kind == "file" else names.claim_directory)(name)

    claim(first)
    with pytest.raises(FileAndDirectory):
        claim(second)


def test_implied_directories_count_for_the_limit() -> None:
    names = NameSet(100)
    with pytest.raises(TooManyEntries):
        names.claim_file("/".join("d" * 101))


def test_no_more_names_are_kept_than_the_limit() -> None:
    names = NameSet(3)
    names.claim_file("d/a")
    names.claim_file("d/b")
    with pytest.raises(TooManyEntries, match="limit of 3 entries"):
        names.claim_file("d/c")
