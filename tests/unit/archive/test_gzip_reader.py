from __future__ import annotations

import gzip
import hashlib
import itertools
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.archive.errors import CorruptGzip, GarbageAfterStream, NotGzip
from shared.archive.gzip_reader import STEP, GzipReader
from tests.support.archives import CUTS, pieces

FHCRC, FEXTRA, FNAME, FCOMMENT = 2, 4, 8, 16

NOISE = hashlib.shake_256(b"noise").digest(3000)
PLAIN = NOISE + b"a" * 300_000 + NOISE


def inflated(compressed: bytes, cut: int = 65536) -> bytes:
    reader = GzipReader()
    out = b"".join(step for piece in pieces(compressed, cut) for step in reader.feed(piece))
    assert reader.complete
    assert reader.compressed == len(compressed)
    assert reader.decompressed == len(out)
    return out


def member(plain: bytes, flags: int = 0, *, header_crc: int | None = None) -> bytes:
    """One member with every optional header field that ``flags`` names."""
    head = b"\x1f\x8b\x08" + bytes([flags]) + bytes(5) + b"\x03"
    if flags & FEXTRA:
        head += struct.pack("<H", 600) + b"AB" * 300
    if flags & FNAME:
        head += b"name" * 100 + b"\0"
    if flags & FCOMMENT:
        head += b"comment\0"
    if flags & FHCRC:
        head += struct.pack("<H", zlib.crc32(head) & 0xFFFF if header_crc is None else header_crc)
    deflate = zlib.compressobj(wbits=-15)
    trailer = struct.pack("<II", zlib.crc32(plain), len(plain) & 0xFFFFFFFF)
    return head + deflate.compress(plain) + deflate.flush() + trailer


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("level", [0, 1, 6, 9])
def test_every_cut_inflates_to_the_same_bytes(cut: int, level: int) -> None:
    assert inflated(gzip.compress(PLAIN, level), cut) == PLAIN


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("flags", range(32))
def test_every_combination_of_header_fields_is_read(cut: int, flags: int) -> None:
    assert inflated(member(NOISE, flags), cut) == NOISE


@pytest.mark.parametrize("cut", CUTS)
def test_members_follow_one_another(cut: int) -> None:
    parts = [NOISE, b"", b"x", PLAIN, b""]
    assert inflated(b"".join(map(gzip.compress, parts)), cut) == b"".join(parts)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("margin", [b"\0", bytes(511), bytes(70_000), b"\r\n", b"\n", b" \t\0\r\n" * 99])
def test_zeros_and_white_space_may_follow_the_last_member(cut: int, margin: bytes) -> None:
    assert inflated(gzip.compress(NOISE) + margin, cut) == NOISE


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(
    "garbage",
    [
        b"x",
        b"\x1fx",
        b"\x1f\x8bx",
        bytes(9) + b"x",
        b"\r\nx",
        b"\x0b",
        b"\x1a",
        bytes(9) + gzip.compress(b"", mtime=0),
        b"\r\n" + gzip.compress(b"", mtime=0),
    ],
)
def test_anything_else_after_a_member_is_refused(cut: int, garbage: bytes) -> None:
    with pytest.raises(GarbageAfterStream):
        inflated(gzip.compress(NOISE) + garbage, cut)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(
    "start", [b"x", b"\0" * 20, b"\x1fx", b"\x1f\x8b\x07", b"\x1f\x9d\x90 an old .Z file"]
)
def test_what_does_not_begin_as_gzip_is_refused_at_once(cut: int, start: bytes) -> None:
    with pytest.raises(NotGzip):
        inflated(start, cut)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(
    ("at", "reason"), [(-1, "length"), (-4, "length"), (-5, "checksum"), (-8, "checksum"), (3, "flags")]
)
def test_a_changed_header_or_trailer_is_refused(cut: int, at: int, reason: str) -> None:
    broken = bytearray(gzip.compress(NOISE))
    broken[at] ^= 0x80
    with pytest.raises(CorruptGzip, match=reason):
        inflated(bytes(broken), cut)


def test_a_wrong_header_checksum_is_refused() -> None:
    with pytest.raises(CorruptGzip, match="header checksum"):
        inflated(member(NOISE, FHCRC | FNAME, header_crc=1))


def test_invalid_deflate_data_is_refused() -> None:
    with pytest.raises(CorruptGzip, match="after 0 decompressed bytes"):
        inflated(member(b"")[:10] + b"\xff" * 50)


@pytest.mark.parametrize("cut", [512, 65536])
def test_a_header_without_end_is_refused(cut: int) -> None:
    with pytest.raises(CorruptGzip, match="endless header"):
        inflated(b"\x1f\x8b\x08\x08" + b"n" * 300_000, cut)


def test_no_proper_beginning_of_a_stream_is_complete() -> None:
    two = member(NOISE, FNAME | FHCRC) + member(b"x")
    for length in range(len(two)):
        reader = GzipReader()
        for _ in reader.feed(two[:length]):
            pass
        assert reader.complete == (length == len(member(NOISE, FNAME | FHCRC)))


@pytest.mark.parametrize("more", [1, 100, 500])
def test_what_the_inflater_holds_back_at_a_full_step_comes_without_more_input(more: int) -> None:
    without_trailer = gzip.compress(bytes(STEP + more))[:-8]
    assert sum(map(len, GzipReader().feed(without_trailer))) == STEP + more


def test_steps_are_bounded_and_inflated_only_when_asked_for() -> None:
    reader = GzipReader()
    steps = reader.feed(gzip.compress(bytes(64 * STEP)))
    for number, step in enumerate(itertools.islice(steps, 10), 1):
        assert 1 <= len(step) <= STEP
        assert reader.decompressed <= number * STEP


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.binary(max_size=2000), min_size=1, max_size=5), st.integers(1, 300), st.integers(0, 31))
def test_it_inverts_gzip(parts: list[bytes], cut: int, flags: int) -> None:
    assert inflated(b"".join(member(part, flags) for part in parts), cut) == b"".join(parts)
