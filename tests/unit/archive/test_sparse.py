"""Sparse files: their bytes are those of the file, and what they claim is bounded before it is made."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from shared.archive.budget import Budget
from shared.archive.errors import (
    ArchiveCostsTooMuch,
    ArchiveTooLarge,
    BadSparseMap,
    SymbolicLink,
    Truncated,
)
from shared.archive.events import EntryData, EntryStarted
from shared.archive.limits import MIB, Limits, Prices
from tests.support.archives import (
    CUTS,
    GNU,
    assert_refused,
    entry,
    events,
    header,
    long_name,
    packed,
    padded,
    pax,
    pax_record,
    read,
    summed,
    told,
)
from tests.support.prerequisites import gnu_tar
from tests.support.sparse import FORMATS, Stretches, expanded, old, pax_0_1, pax_1_0

NAME = b"the-entry"
MAPS: dict[str, tuple[Stretches, int]] = {
    "all a hole": ([], 700_000),
    "nothing at all": ([], 0),
    "an end without bytes": ([(0, b"a" * 513), (2000, b"")], 2000),
    "a hole before, between and behind": ([(512, b"a"), (1024, b"b" * 700)], 5000),
    "no hole": ([(0, b"a" * 1000)], 1000),
    "stretches side by side": ([(0, b"a"), (1, b"b"), (2, b"")], 3),
    "more than a header has": ([(n * 3, b"%d" % (n % 10)) for n in range(50)], 200),
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("what", MAPS)
def test_a_sparse_file_is_told_with_its_holes(form: str, what: str, cut: int) -> None:
    stretches, size = MAPS[what]
    parts = [entry(b"first", b"1"), FORMATS[form](NAME, stretches, size), entry(b"last", b"2")]
    if cut > 1 or size < 10_000:
        assert told(*parts, cut=cut) == [
            ("first", b"1"), ("the-entry", expanded(stretches, size)), ("last", b"2"),
        ]  # fmt: skip


@pytest.mark.parametrize("form", FORMATS)
def test_its_size_is_told_with_its_holes(form: str) -> None:
    (started, *_) = events(packed(FORMATS[form](NAME, [(5, b"a")], 9)))
    assert isinstance(started, EntryStarted)
    assert started.size == 9


def test_a_long_name_is_that_of_a_sparse_file_too() -> None:
    name = b"n" * 200
    assert told(long_name(name), old(NAME, [(1, b"a")], 3), cut=512) == [("n" * 200, b"\0a\0")]


def test_holes_come_in_bounded_pieces() -> None:
    found = events(packed(old(NAME, [], 3 * MIB)))
    sizes = [len(event.data) for event in found if isinstance(event, EntryData)]
    assert (sum(sizes), max(sizes)) == (3 * MIB, MIB // 4)


@pytest.mark.parametrize("form", FORMATS)
def test_a_size_over_the_limit_is_refused_before_a_byte_of_it_is_made(form: str) -> None:
    told = events(packed(FORMATS[form](NAME, [], 2**63 - 1)), limits=Limits(decompressed=MIB))
    with pytest.raises(ArchiveTooLarge, match="the-entry"):
        next(told)


def test_holes_of_all_files_count_for_the_limit_together() -> None:
    two = packed(old(b"a", [], MIB), old(NAME, [], MIB))
    assert len(read(two, limits=Limits(decompressed=2 * MIB + 1024))) == 2
    with pytest.raises(ArchiveTooLarge, match="the-entry"):
        read(two, limits=Limits(decompressed=2 * MIB))


def test_holes_count_for_the_limit_with_what_follows_them() -> None:
    archive = packed(old(b"a", [], MIB), entry(NAME, bytes(MIB)))
    with pytest.raises(ArchiveTooLarge):
        read(archive, limits=Limits(decompressed=2 * MIB))


def test_holes_are_paid_for_as_they_are_made() -> None:
    budget = Budget(Prices(gift=1024))
    told: list[int] = []
    endless = events(packed(old(NAME, [], 2**62)), limits=Limits(decompressed=0), budget=budget)
    with pytest.raises(ArchiveCostsTooMuch, match="bytes"):
        told.extend(len(event.data) for event in endless if isinstance(event, EntryData))
    assert 0 < sum(told) <= budget.limit * Prices().ratio


def test_stretches_are_paid_for_before_they_are_told() -> None:
    budget = Budget(Prices(gift=10_000, ratio=10**9))
    with pytest.raises(ArchiveCostsTooMuch, match="entries"):
        list(events(packed(pax_0_1(NAME, [(0, b"")] * 2000, 0)), budget=budget))


@pytest.mark.parametrize("form", ["old", "pax 0.1", "pax 1.0"])
def test_a_map_has_so_many_stretches_and_no_more(form: str) -> None:
    made = FORMATS[form](NAME, [(n, b"a") for n in range(40)], 40)
    assert read(packed(made), limits=Limits(stretches=40))[0].data == b"a" * 40
    with pytest.raises(BadSparseMap, match="more than 39 stretches"):
        read(packed(made), limits=Limits(stretches=39))


WRONG: dict[str, tuple[Stretches, int]] = {
    "overlap": ([(0, b"aa"), (1, b"b")], 9),
    "descend": ([(5, b"a"), (1, b"b")], 9),
    "leave the file": ([(8, b"aa")], 9),
    "begin behind it": ([(2**62, b"a")], 9),
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("form", ["pax 0.0", "pax 0.1", "pax 1.0"])
@pytest.mark.parametrize("what", WRONG)
def test_a_map_that_is_none_of_its_file_is_refused(form: str, what: str, cut: int) -> None:
    assert_refused(BadSparseMap, FORMATS[form](NAME, *WRONG[what]), cut=cut)


@pytest.mark.parametrize("stored", [b"", b"a", b"abc"])
def test_a_map_that_is_none_of_its_data_is_refused(stored: bytes) -> None:
    records = [pax_record(b"GNU.sparse.size", b"9"), pax_record(b"GNU.sparse.map", b"0,2")]
    with pytest.raises(BadSparseMap):
        read(packed(pax(*records), header(NAME, size=len(stored)), padded(stored)))


def _map(lines: bytes) -> bytes:
    records = [(b"major", b"1"), (b"minor", b"0"), (b"realsize", b"9"), (b"name", NAME)]
    named = [pax_record(b"GNU.sparse." + name, value) for name, value in records]
    return pax(*named) + header(NAME, size=len(lines)) + padded(lines)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(
    "lines",
    [
        b"",
        b"0\n",
        b"x".ljust(512, b"\0"),
        b"-1\n".ljust(512, b"\0"),
        bytes(512),
        b"1\n0\n".ljust(512, b"\0"),
        b"1\n0\nx\n".ljust(512, b"\0"),
        b"1\n" + b"0" * 2000,
        b"9" * 4096,
    ],
)
def test_a_map_in_the_data_that_is_malformed_or_cut_off_is_refused(lines: bytes, cut: int) -> None:
    assert_refused(BadSparseMap, _map(lines), cut=cut)


@pytest.mark.parametrize("field", [slice(386, 398), slice(398, 410), slice(483, 495)])
@pytest.mark.parametrize("number", [b"\xff" * 12, b"x" * 12])
def test_malformed_numbers_of_the_old_format_are_refused(field: slice, number: bytes) -> None:
    block = bytearray(old(NAME, [(0, b"a")], 1))
    block[field] = number
    with pytest.raises(BadSparseMap):
        read(packed(summed(bytes(block[:512])), bytes(block[512:])))


@pytest.mark.parametrize("cut", CUTS)
def test_an_archive_cut_in_a_map_is_refused(cut: int) -> None:
    whole = old(NAME, [(n, b"a") for n in range(40)], 40)
    for blocks in (1, 2):
        with pytest.raises(Truncated):
            read(packed(whole[: 512 * blocks], end=b""), cut=cut)


def test_a_link_is_refused_whatever_it_says_of_holes() -> None:
    with pytest.raises(SymbolicLink):
        read(packed(pax(pax_record(b"GNU.sparse.size", b"1")), header(NAME, kind=b"2", magic=GNU)))


@pytest.mark.parametrize("form", ["--format=gnu", *(f"--sparse-version={v}" for v in ("0.0", "0.1", "1.0"))])
def test_what_gnu_tar_stores_sparse_is_read_as_it_was(form: str, tmp_path: Path) -> None:
    with (tmp_path / "f").open("wb") as file:
        for at in (0, *(n * 65536 for n in range(1, 30, 2))):
            file.seek(at)
            file.write(b"data %d" % at)
        file.truncate(2 * MIB)
    options = [form] if form == "--format=gnu" else ["--format=posix", form]
    command = [gnu_tar(), "-cSzf", "out.tar.gz", *options, "f"]
    subprocess.run(command, cwd=tmp_path, check=True)
    archive = (tmp_path / "out.tar.gz").read_bytes()
    assert [(each.name, each.data) for each in read(archive)] == [("f", (tmp_path / "f").read_bytes())]
    assert any(mark in gunzipped(archive) for mark in (b"GNU.sparse", b"\0S\0", b"ustar  "))


def gunzipped(archive: bytes) -> bytes:
    return subprocess.run(["gzip", "-dc"], input=archive, capture_output=True, check=True).stdout


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("stretches", range(70, 90))
def test_a_map_before_the_data_may_have_any_length(stretches: int, cut: int) -> None:
    made = [(1000 + 2 * n, b"b") for n in range(stretches)]  # "nnnn\n1\n" each: with 72 of them just a block
    assert told(pax_1_0(NAME, made, 2000), cut=cut) == [("the-entry", expanded(made, 2000))]
