from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path

import pytest

from shared.git import history
from shared.git.deltas import apply_delta
from shared.git.history import HistoryLooker
from shared.git.pack_objects import PackObjects
from tests.support.git import git, make_repository, references
from tests.unit.git.test_pack_objects import entry, pack

TREE = b"tree " + b"4" * 40 + b"\n"


def commit(message: bytes, *parents: bytes) -> bytes:
    named = b"".join(b"parent %b\n" % parent.hex().encode() for parent in parents)
    return TREE + named + b"author a <a> 0 +0000\n\n" + message


def id_of(data: bytes, kind: str = "commit") -> bytes:
    return hashlib.sha1(f"{kind} {len(data)}\0".encode() + data, usedforsecurity=False).digest()


FIRST = commit(b"first")
SECOND = commit(b"second", id_of(FIRST))
THIRD = commit(b"third", id_of(SECOND))
TAG = b"object %b\ntype commit\ntag v1\n\nv1" % id_of(THIRD).hex().encode()


def missing(
    packed: bytes, commits: Collection[bytes] = (), others: Collection[bytes] = (), *, cut: int = 65536
) -> int:
    looker = HistoryLooker("sha1", commits=commits, others=others)
    objects = PackObjects("sha1", looker)
    for at in range(0, len(packed), cut):
        objects.feed(packed[at : at + cut])
    objects.close()
    return looker.missing


def delta(base: bytes, *instructions: bytes, makes: int) -> bytes:
    return b"".join((number(len(base)), number(makes), *instructions))


def number(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def back(size: int) -> bytes:
    """What tells that the base of a delta begins so many bytes before it, up to 16,511."""
    return bytes([size]) if size < 128 else bytes([(size - 128) >> 7 | 128, size & 127])


def with_delta(base: bytes, data: bytes, *, between: bytes = b"") -> bytes:
    """A pack of a commit, and of another one as a delta against it that is all insertion."""
    made = [bytes([len(data[at : at + 100])]) + data[at : at + 100] for at in range(0, len(data), 100)]
    away = back(len(entry(base, 1)) + len(between))
    entries = [entry(base, 1), between, entry(delta(base, *made, makes=len(data)), 6, base=away)]
    return pack(*filter(None, entries))


@pytest.mark.parametrize("cut", [1, 7, 65536])
@pytest.mark.parametrize(
    ("there", "lost"),
    [
        ([FIRST, SECOND, THIRD], 0),
        ([THIRD, SECOND, FIRST], 0),
        ([THIRD, SECOND], 1),
        ([THIRD, FIRST], 1),
        ([SECOND, FIRST], 1),
        ([THIRD, FIRST, FIRST], 1),
    ],
)
def test_commits_that_references_lead_to_are_missed(there: list[bytes], lost: int, cut: int) -> None:
    assert missing(pack(*(entry(each, 1) for each in there)), [id_of(THIRD)], cut=cut) == lost


def test_what_a_tag_stands_for_is_missed() -> None:
    of_tag = [id_of(TAG, "tag")]
    whole = [entry(TAG, 4), *(entry(each, 1) for each in (THIRD, SECOND, FIRST))]
    assert [missing(pack(*some), others=of_tag) for some in (whole, whole[:1], whole[1:])] == [0, 1, 1]


def test_a_tag_may_stand_for_a_file() -> None:
    there = pack(entry(FIRST, 1), entry(b"here"))
    assert missing(there, [id_of(FIRST)], [id_of(b"here", "blob")]) == 0
    assert missing(there, [id_of(FIRST)], [id_of(b"gone", "blob")]) == 1


def test_commits_that_no_reference_leads_to_may_lack_their_parents() -> None:
    stray = commit(b"stray", b"5" * 20)
    assert missing(pack(entry(stray, 1), entry(SECOND, 1), entry(FIRST, 1)), [id_of(SECOND)]) == 0
    assert missing(pack(entry(stray, 1), entry(SECOND, 1)), [id_of(SECOND)]) == 1


def test_a_commit_that_is_a_delta_is_known_and_so_are_its_parents() -> None:
    assert missing(with_delta(FIRST, SECOND), [id_of(SECOND)]) == 0
    assert missing(with_delta(SECOND, THIRD), [id_of(THIRD)]) == 1


def test_a_delta_of_a_file_is_not_taken_for_a_commit() -> None:
    file = entry(b"file")
    packed = pack(entry(SECOND, 1), file, entry(b"\4\4\4file", 6, base=bytes([len(file)])))
    assert missing(packed, [id_of(SECOND)]) == 1


@pytest.mark.parametrize("delta_of_commit", [b"no delta", b"\1\1\1x"])
def test_a_delta_that_cannot_be_applied_may_be_what_is_missed(delta_of_commit: bytes) -> None:
    packed = pack(entry(SECOND, 1), entry(delta_of_commit, 6, base=back(len(entry(SECOND, 1)))))
    assert missing(packed, [id_of(SECOND)]) == 0
    assert missing(packed, [id_of(SECOND), b"1" * 20]) == 1


def test_a_delta_against_a_named_object_may_be_what_is_missed() -> None:
    packed = pack(entry(SECOND, 1), entry(b"x", 7, base=bytes(20)))
    assert missing(packed, [id_of(SECOND)]) == 0


def test_texts_of_commits_are_bounded_and_a_delta_of_one_that_went_may_be_any(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = entry(commit(b"other"), 1)
    packed = with_delta(SECOND, commit(b"stray"), between=other)
    assert missing(packed, [id_of(SECOND)]) == 1
    monkeypatch.setattr(history, "MOST_TEXT", 500)
    assert missing(packed, [id_of(SECOND)]) == 0


def test_ids_are_bounded_and_nothing_is_told_of_a_longer_history(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = pack(entry(THIRD, 1), entry(SECOND, 1))
    monkeypatch.setattr(history, "MOST_OBJECTS", 2)
    assert missing(packed, [id_of(THIRD)]) == 0
    monkeypatch.setattr(history, "MOST_OBJECTS", 3)
    assert missing(packed, [id_of(THIRD)]) == 1


def test_a_long_commit_is_known_by_what_it_begins_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_LONGEST_TEXT", 200)
    long = commit(b"x" * 1000, id_of(FIRST))
    assert missing(pack(entry(long, 1), entry(FIRST, 1)), [id_of(long)]) == 0
    assert missing(pack(entry(long, 1)), [id_of(long)]) == 1


def test_it_is_decided_once_all_is_found_so_that_files_are_not_looked_at() -> None:
    looker = HistoryLooker("sha1", commits=[id_of(SECOND)], others=[])
    objects = PackObjects("sha1", looker)
    data = pack(entry(SECOND, 1), entry(FIRST, 1), entry(b"file"))
    cut = 12 + len(entry(SECOND, 1))
    objects.feed(data[:cut])
    assert not looker.is_decided
    objects.feed(data[cut:-30])
    assert looker.is_decided


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
@pytest.mark.parametrize("repack", [(), ("repack", "-adfq", "--depth=50", "--window=250")])
def test_of_git_a_whole_repository_lacks_nothing_and_a_shallow_one_does(
    tmp_path: Path, object_format: str, repack: tuple[str, ...]
) -> None:
    source = make_repository(tmp_path, object_format=object_format, files=_many())
    for depth, check in ((None, _is_nothing), (5, _is_something)):
        copy = tmp_path / f"copy{depth}"
        some = () if depth is None else (f"--depth={depth}",)
        git(tmp_path, "clone", "-q", "--bare", *some, f"file://{source}", str(copy))
        git(copy, "-c", "pack.window=50", *(repack or ("repack", "-adq")))
        (path,) = (copy / "objects" / "pack").glob("*.pack")
        tips = {bytes.fromhex(each) for each in references(copy).values()}
        looker = HistoryLooker(object_format, commits=[], others=tips)
        PackObjects(object_format, looker).feed(path.read_bytes())
        assert check(looker.missing)


def _many() -> dict[str, bytes]:
    """So many alike commits that git stores some as deltas."""
    return {f"f{number:04}": b"%d" % number for number in range(60)}


def _is_nothing(count: int) -> bool:
    return count == 0


def _is_something(count: int) -> bool:
    return count > 0


def test_git_and_we_make_the_same_of_a_delta() -> None:
    base = bytes(range(256)) * 300
    copy = b"\xff\x01\x02\x00\x00\x05\x00\x00"
    made = base[0x201:0x206] + b"xyz" + base[:0x10000]
    given = delta(base, copy, b"\3xyz", b"\x80", makes=len(made))
    assert apply_delta(base, given, longest=len(made)) == made
    assert apply_delta(base, given, longest=len(made) - 1) is None


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"\x80",
        b"\4\4",
        b"\5\1\1x",
        b"\4\1\0",
        b"\4\1\5x",
        b"\4\1\2xy",
        b"\4\5\x91\2\5",
        b"\4\1\xff",
        b"\x80" * 2000,
        b"\4\1\1xy",
    ],
)
def test_what_is_no_delta_makes_nothing(given: bytes) -> None:
    assert apply_delta(b"base", given, longest=100) is None


def test_the_work_of_a_delta_is_bounded_by_its_steps() -> None:
    step = b"\x90\1"
    assert apply_delta(b"base", delta(b"base", *[step] * 256, makes=256), longest=1000) == b"b" * 256
    assert apply_delta(b"base", delta(b"base", *[step] * 257, makes=257), longest=1000) is None


def test_parents_are_bounded_in_a_commit_and_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    many = commit(b"many", *[id_of(FIRST)] * 128, b"1" * 20)
    packed = pack(entry(many, 1), entry(FIRST, 1))
    assert missing(packed, [id_of(many)]) == 0
    monkeypatch.setattr(history, "MOST_NEEDS", 1)
    assert missing(pack(entry(THIRD, 1), entry(SECOND, 1)), [id_of(THIRD)]) == 0


@pytest.mark.parametrize("parent", [b"abc", b"4" * 41, b"G" * 40, b""])
def test_a_parent_that_is_no_id_is_let_be(parent: bytes) -> None:
    odd = TREE + b"parent " + parent + b"\n\nodd"
    assert missing(pack(entry(odd, 1)), [id_of(odd)]) == 0
