import base64
import hashlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.segments.encoder import LOOK, NOTHING, BlobEncoder, Extent, SegmentEncoder, stored_blocks

LINE = b'{"title":"a line that repeats","iid":1}\n'


def noise(length: int) -> bytes:
    return hashlib.shake_128(b"noise").digest(length)


def encode(encoder: SegmentEncoder | BlobEncoder, data: bytes, *, cut: int = 65536) -> tuple[bytes, Extent]:
    stored = [encoder.write(data[at : at + cut]) for at in range(0, len(data), cut)]
    rest, extent = encoder.end()
    return b"".join([*stored, rest]), extent


def alone(stored: bytes) -> bytes:
    inflater = zlib.decompressobj(-15)
    raw = inflater.decompress(stored)
    assert not inflater.eof
    assert inflater.decompress(b"\x03\x00") == b""
    assert inflater.eof
    assert inflater.unused_data == b""
    return raw


@pytest.mark.parametrize("encoder", [SegmentEncoder(), BlobEncoder()])
@pytest.mark.parametrize("data", [b"x", LINE, LINE * 20_000, noise(700_000), bytes(1 << 20)])
@pytest.mark.parametrize("cut", [7, 512, 65536, 1 << 20])
def test_a_run_inflates_alone_and_its_extent_is_true(
    encoder: SegmentEncoder | BlobEncoder, data: bytes, cut: int
) -> None:
    stored, extent = encode(encoder, data, cut=max(cut, len(data) // 5000))
    assert alone(stored) == data
    assert extent == Extent(len(data), len(stored), zlib.crc32(data))


def test_a_segment_refers_to_nothing_before_it() -> None:
    encoder = SegmentEncoder()
    encode(encoder, LINE * 100)
    assert alone(encode(encoder, LINE * 100)[0]) == LINE * 100


@given(st.lists(st.binary(max_size=300), max_size=8), st.binary(min_size=1, max_size=300))
def test_a_segment_has_the_same_bytes_whatever_came_before(before: list[bytes], data: bytes) -> None:
    encoder = SegmentEncoder()
    for other in before:
        encode(encoder, other)
    assert encode(encoder, data) == encode(SegmentEncoder(), data)


@pytest.mark.parametrize("encoder", [SegmentEncoder(), BlobEncoder()])
def test_nothing_encodes_to_nothing(encoder: SegmentEncoder | BlobEncoder) -> None:
    assert encoder.end() == (b"", NOTHING)
    assert encoder.write(b"") == b""
    assert encoder.end() == (b"", Extent(0, 0, 0))


def test_a_blob_that_does_not_shrink_costs_five_bytes_a_block() -> None:
    data = noise(10 * 65535)
    stored, _ = encode(BlobEncoder(), data, cut=len(data))
    assert len(stored) <= len(data) + 5 * 12


def test_a_blob_is_deflated_where_its_beginning_shrinks() -> None:
    assert len(encode(BlobEncoder(), LINE * 20_000)[0]) < len(LINE) * 20_000 // 10


@pytest.mark.parametrize("length", [4096, LOOK])
def test_a_blob_that_shrinks_by_the_frequency_of_its_bytes_alone_is_deflated(length: int) -> None:
    text = base64.b64encode(noise(length))
    assert len(encode(BlobEncoder(), text)[0]) < len(text) * 8 // 10


@pytest.mark.parametrize("length", [1, LOOK - 1, LOOK, LOOK + 1])
def test_the_look_alone_decides_for_the_whole_blob(length: int) -> None:
    stored, _ = encode(BlobEncoder(), noise(LOOK) + bytes(length))
    assert len(stored) > LOOK + length


def test_each_blob_is_looked_at_anew() -> None:
    encoder = BlobEncoder()
    encode(encoder, noise(LOOK * 2))
    assert len(encode(encoder, bytes(LOOK * 2))[0]) < LOOK // 10


def test_no_more_than_the_look_is_held_back() -> None:
    encoder = BlobEncoder()
    assert encoder.write(noise(LOOK - 1)) == b""
    assert len(encoder.write(noise(1_000_000))) > LOOK + 999_000


@pytest.mark.parametrize("data", [b"tiny", b"t" * 40])
def test_a_tiny_blob_is_decided_at_its_end(data: bytes) -> None:
    stored, _ = encode(BlobEncoder(), data)
    assert alone(stored) == data
    assert len(stored) <= len(data) + 5


def test_stored_blocks_take_any_length() -> None:
    for length in (0, 1, 65535, 65536, 200_000):
        assert alone(stored_blocks(memoryview(noise(length)))) == noise(length)


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_runs_one_after_the_other_are_a_run(first: bytes, second: bytes) -> None:
    stored_first, extent_first = encode(SegmentEncoder(), first)
    stored_second, extent_second = encode(BlobEncoder(), second)
    assert extent_first.then(extent_second) == Extent(
        len(first + second), len(stored_first + stored_second), zlib.crc32(first + second)
    )
    assert NOTHING.then(extent_first).then(NOTHING) == extent_first
