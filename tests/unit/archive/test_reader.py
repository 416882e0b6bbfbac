from __future__ import annotations

import gzip
import itertools

import pytest

from shared.archive.errors import (
    ArchiveTooLarge,
    CorruptGzip,
    EmptyArchive,
    GarbageAfterStream,
    NotGzip,
    Truncated,
)
from shared.archive.events import ArchiveEnded, EntryData, EntryEnded, EntryStarted, TarEntryKind
from shared.archive.gzip_reader import STEP
from shared.archive.limits import MIB, Limits
from shared.archive.reader import ArchiveReader
from shared.errors import ArchiveError, Fault
from tests.support.archives import CUTS, entry, events, header, packed, pieces, read
from tests.support.samples.table import packed as packed_sample

SMALL = packed(header(b"./", kind=b"5"), entry(b"./a", b"data"), entry(b"./._a", b"x"))


@pytest.mark.parametrize("cut", CUTS)
def test_an_archive_is_told_entry_by_entry(cut: int) -> None:
    *told, ended = events(packed(entry(b"./d/a", b"d" * 100), header(b"./e/", kind=b"5")), cut=cut)
    data = [event.data for event in told if isinstance(event, EntryData)]
    assert b"".join(data) == b"d" * 100
    assert [event for event in told if not isinstance(event, EntryData)] == [
        EntryStarted("d/a", TarEntryKind.FILE, 100, 0),
        EntryEnded(),
        EntryStarted("e", TarEntryKind.DIRECTORY, 0, 0),
        EntryEnded(),
    ]
    assert isinstance(ended, ArchiveEnded)


def test_the_end_counts_bytes_and_entries_with_the_dropped_ones() -> None:
    *_, ended = events(SMALL)
    assert ended == ArchiveEnded(len(SMALL), len(gzip.decompress(SMALL)), 3)


@pytest.mark.parametrize("cut", CUTS)
def test_a_tar_may_be_spread_over_members(cut: int) -> None:
    tar = gzip.decompress(SMALL)
    assert read(b"".join(map(gzip.compress, pieces(tar, 300))), cut=cut) == read(SMALL)


def test_nothing_is_an_empty_archive() -> None:
    with pytest.raises(EmptyArchive):
        read(b"")


def test_a_tar_that_is_not_compressed_is_refused() -> None:
    with pytest.raises(NotGzip):
        read(gzip.decompress(SMALL))


def test_no_proper_beginning_of_an_archive_is_an_archive() -> None:
    for length in range(1, len(SMALL)):
        with pytest.raises(Truncated):
            read(SMALL[:length])


def test_a_whole_tar_in_a_stream_without_its_trailer_is_refused_by_the_last_entry() -> None:
    with pytest.raises(Truncated, match=r"in or after '\._a'"):
        read(SMALL[:-1])


def test_garbage_after_the_stream_is_refused() -> None:
    with pytest.raises(GarbageAfterStream):
        read(SMALL + b"x")


def test_changed_data_is_refused() -> None:
    tar = gzip.decompress(SMALL)
    broken = SMALL.replace(b"data", b"Data")
    assert len(broken) == len(SMALL)
    with pytest.raises(CorruptGzip, match=f"after {len(tar)} decompressed bytes: wrong checksum"):
        read(broken)


def test_a_refused_archive_is_the_archives_fault_and_no_retry_helps() -> None:
    for archive in (b"", SMALL[:-1], packed(header(kind=b"2"))):
        with pytest.raises(ArchiveError) as caught:
            read(archive)
        assert caught.value.fault is Fault.ARCHIVE
        assert not caught.value.retryable


@pytest.mark.parametrize("members", [1, 30])
def test_a_bomb_is_not_inflated_beyond_the_limit(members: int) -> None:
    limit = 10 * MIB
    tar = b"".join(entry(b"zeros%d" % number, bytes(MIB)) for number in range(30))
    bomb = b"".join(gzip.compress(piece, 9) for piece in pieces(tar, len(tar) // members + 1))
    reader = ArchiveReader(Limits(decompressed=limit))
    with pytest.raises(ArchiveTooLarge, match=r"limit of 10485760 bytes, reached in or after 'zeros\d'"):
        list(reader.feed(bomb))
    assert limit < reader._gzip.decompressed <= limit + STEP


def test_zeros_after_the_end_count_for_the_limit() -> None:
    bomb = gzip.compress(entry(b"a") + bytes(30 * MIB))
    with pytest.raises(ArchiveTooLarge):
        read(bomb, limits=Limits(decompressed=10 * MIB))


def test_a_declared_size_over_the_limit_is_refused_at_the_header() -> None:
    bomb = packed_sample("bomb")
    reader = ArchiveReader(Limits(decompressed=20 * MIB))
    with pytest.raises(ArchiveTooLarge, match=r"limit of 20971520 bytes, .*/z\.bin'"):
        list(itertools.chain.from_iterable(map(reader.feed, pieces(bomb, 65536))))
    assert reader._gzip.decompressed <= STEP


def test_a_stream_of_exactly_the_limit_is_accepted() -> None:
    size = len(gzip.decompress(SMALL))
    assert read(SMALL, limits=Limits(decompressed=size)) == read(SMALL)
    with pytest.raises(ArchiveTooLarge):
        read(SMALL, limits=Limits(decompressed=size - 1))


def test_a_limit_of_zero_is_none() -> None:
    archive = packed(entry(b"a", bytes(3 * MIB)))
    assert len(read(archive, limits=Limits(decompressed=0))[0].data) == 3 * MIB


def test_data_comes_in_bounded_pieces_however_much_is_fed() -> None:
    reader = ArchiveReader()
    archive = gzip.compress(entry(b"a", bytes(3 * MIB)) + bytes(1024))
    sizes = [len(event.data) for event in reader.feed(archive) if isinstance(event, EntryData)]
    assert sum(sizes) == 3 * MIB
    assert max(sizes) <= STEP


def test_nothing_is_inflated_before_it_is_asked_for() -> None:
    reader = ArchiveReader()
    stream = reader.feed(gzip.compress(entry(b"a", bytes(3 * MIB)) + bytes(1024)))
    assert isinstance(next(stream), EntryStarted)
    assert reader._gzip.decompressed <= STEP
