import hashlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.segments.encoder import BlobEncoder, Extent, SegmentEncoder
from shared.segments.inflater import PIECE, CorruptSegment, SegmentInflater, inflate

DATA = b"".join(b'{"title":"line %d"}\n' % number for number in range(60_000))
NOISE = hashlib.shake_128(b"noise").digest(PIECE * 2)


def encoded(data: bytes, *, encoder: SegmentEncoder | BlobEncoder) -> tuple[bytes, Extent]:
    first = encoder.write(data)
    rest, extent = encoder.end()
    return first + rest, extent


def back(stored: bytes, extent: Extent) -> bytes:
    return inflate(stored, raw_length=extent.raw_length, crc32=extent.crc32)


def streamed(stored: bytes, extent: Extent, *, cut: int) -> bytes:
    inflater = SegmentInflater(raw_length=extent.raw_length, crc32=extent.crc32)
    pieces = [piece for at in range(0, len(stored), cut) for piece in inflater.feed(stored[at : at + cut])]
    inflater.close()
    assert all(0 < len(piece) <= PIECE for piece in pieces)
    return b"".join(pieces)


@given(st.binary(max_size=3000))
def test_what_was_encoded_comes_back(data: bytes) -> None:
    for encoder in (SegmentEncoder(), BlobEncoder()):
        stored, extent = encoded(data, encoder=encoder)
        assert back(stored, extent) == data
        assert streamed(stored, extent, cut=97) == data


@pytest.mark.parametrize("cut", [1, 7, 512, 65536, 1 << 22])
@pytest.mark.parametrize("data", [DATA, NOISE, bytes(PIECE * 4)])
def test_the_cut_of_the_stored_bytes_does_not_matter(data: bytes, cut: int) -> None:
    stored, extent = encoded(data, encoder=BlobEncoder())
    assert streamed(stored, extent, cut=max(cut, len(stored) // 20_000)) == data


@given(st.binary(min_size=1, max_size=300), st.data())
def test_a_flipped_bit_is_caught(data: bytes, draw: st.DataObject) -> None:
    for encoder in (SegmentEncoder(), BlobEncoder()):
        stored, extent = encoded(data * 3, encoder=encoder)
        bit = draw.draw(st.integers(0, len(stored) * 8 - 1))
        flipped = bytearray(stored)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            assert back(bytes(flipped), extent) == data * 3  # a bit of padding says nothing
        except CorruptSegment:
            continue


def test_a_flipped_byte_of_content_is_caught() -> None:
    stored, extent = encoded(DATA, encoder=SegmentEncoder())
    flipped = bytearray(stored)
    flipped[len(stored) // 2] ^= 0xFF
    with pytest.raises(CorruptSegment):
        back(bytes(flipped), extent)
    with pytest.raises(CorruptSegment):
        streamed(bytes(flipped), extent, cut=1000)


@pytest.mark.parametrize("encoder", [SegmentEncoder(), BlobEncoder()])
@pytest.mark.parametrize("data", [b"short", DATA])
def test_a_run_cut_off_anywhere_is_caught(encoder: SegmentEncoder | BlobEncoder, data: bytes) -> None:
    stored, extent = encoded(data, encoder=encoder)
    for missing in (1, 2, 3, 4, 5, 6, len(stored) // 2, len(stored)):
        with pytest.raises(CorruptSegment):
            back(stored[: len(stored) - missing], extent)


@pytest.mark.parametrize("tail", [b"\x00", b"junk", b"\x03\x00", b"\x03\x00more"])
def test_bytes_after_the_run_are_caught(tail: bytes) -> None:
    stored, extent = encoded(DATA, encoder=SegmentEncoder())
    with pytest.raises(CorruptSegment):
        back(stored + tail, extent)


@pytest.mark.parametrize("by", [-1, 1])
def test_a_length_that_is_not_the_one_recorded_is_caught(by: int) -> None:
    stored, extent = encoded(DATA, encoder=SegmentEncoder())
    with pytest.raises(CorruptSegment):
        inflate(stored, raw_length=extent.raw_length + by, crc32=extent.crc32)


def test_a_wrong_checksum_is_caught() -> None:
    stored, extent = encoded(DATA, encoder=SegmentEncoder())
    with pytest.raises(CorruptSegment, match="CRC-32"):
        inflate(stored, raw_length=extent.raw_length, crc32=zlib.crc32(b"other"))


def test_a_run_that_inflates_to_far_more_than_recorded_is_stopped_at_once() -> None:
    stored, _ = encoded(bytes(64 << 20), encoder=SegmentEncoder())
    inflater = SegmentInflater(raw_length=1000, crc32=0)
    with pytest.raises(CorruptSegment, match="more raw bytes"):
        next(inflater.feed(stored))


def test_the_empty_run_has_no_bytes() -> None:
    assert inflate(b"", raw_length=0, crc32=0) == b""
    with pytest.raises(CorruptSegment):
        inflate(b"\x00", raw_length=0, crc32=0)


def test_a_corrupt_segment_is_not_worth_a_retry() -> None:
    assert not CorruptSegment.retryable
