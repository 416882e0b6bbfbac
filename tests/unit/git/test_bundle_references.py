from __future__ import annotations

import pytest

from shared.git import bundle_references
from shared.git.bundle_header import InvalidBundle
from shared.git.bundle_references import ReferenceReader, References, TooManyReferences

ONE, TWO = "1" * 40, "2" * 40


def _header(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in ("# v2 git bundle", *lines, "")).encode()


def _read(data: bytes, cut: int) -> References | None:
    reader = ReferenceReader("b")
    pieces = (data[start : start + cut] for start in range(0, len(data), cut))
    return next(filter(None, map(reader.feed, pieces)), None)


@pytest.mark.parametrize("cut", [1, 7, 512, 65536])
def test_references_are_the_same_at_every_cut(cut: int) -> None:
    lines = (f"{ONE} refs/heads/a/b", f"{TWO} refs/tags/\u2713", f"{TWO} refs/keep-around/1", f"{ONE} HEAD")
    found = _read(_header(*lines) + b"PACK and more", cut)
    assert found == References({"a/b": ONE}, {"\u2713": TWO}, ONE)


@pytest.mark.parametrize(
    ("branches", "default"),
    [
        ({"a": ONE, "master": ONE, "main": ONE}, "main"),
        ({"a": ONE, "master": ONE, "main": TWO}, "master"),
        ({"b": ONE, "a": ONE, "main": TWO}, "a"),
        ({"main": TWO}, None),
        ({}, None),
    ],
)
def test_the_default_branch_is_one_that_has_the_commit_of_head(
    branches: dict[str, str], default: str | None
) -> None:
    assert References(branches, {}, ONE).default_branch == default


def test_without_head_the_customary_branch_is_the_default() -> None:
    assert References({"a": ONE, "main": TWO}, {}, None).default_branch == "main"
    assert References({"b": ONE, "a": TWO}, {}, None).default_branch == "a"


def test_no_more_references_are_held_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_references, "MOST_REFERENCES", 2)
    kept = [f"{ONE} refs/keep-around/{number}" for number in range(9)]
    two = [f"{ONE} refs/heads/a", f"{ONE} refs/tags/a"]
    assert _read(_header(*kept, *two), 64)
    with pytest.raises(TooManyReferences):
        _read(_header(*two, f"{ONE} refs/tags/b"), 64)


def test_a_header_is_read_up_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_references, "LONGEST_HEADER", 1000)
    with pytest.raises(TooManyReferences):
        _read(_header(*[f"{ONE} refs/keep-around/{number}" for number in range(20)]), 64)


def test_what_is_no_bundle_is_refused() -> None:
    with pytest.raises(InvalidBundle):
        _read(b"PACK", 4) or _read(b"hello, world, hello\n", 64)
