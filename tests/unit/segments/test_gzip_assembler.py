import gzip
import io
import subprocess
import tarfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isal import isal_zlib

from shared.segments.assembler import GzipAssembler
from shared.segments.encoder import BlobEncoder, Extent, SegmentEncoder

GIB = 1024**3

Piece = tuple[str, list[bytes]]
CHUNK = st.one_of(
    st.binary(max_size=400),
    st.builds(lambda unit, times: unit * times, st.binary(min_size=1, max_size=9), st.integers(1, 40_000)),
)
PIECES = st.lists(
    st.tuples(st.sampled_from(["own", "segment", "blob"]), st.lists(CHUNK, max_size=4)), max_size=6
)


def assemble(pieces: list[Piece]) -> bytes:
    assembler, segments, blobs = GzipAssembler(), SegmentEncoder(), BlobEncoder()
    out = [assembler.header()]
    for kind, chunks in pieces:
        if kind == "own":
            out += [assembler.own(chunk) for chunk in chunks]
            continue
        encoder = segments if kind == "segment" else blobs
        out += [encoder.write(chunk) for chunk in chunks]
        rest, extent = encoder.end()
        assembler.add(extent)
        out.append(rest)
    out.append(assembler.finish())
    assert assembler.stored_length == sum(map(len, out))
    assert assembler.raw_length == sum(len(chunk) for _, chunks in pieces for chunk in chunks)
    return b"".join(out)


@settings(deadline=None)
@given(PIECES)
def test_any_mix_of_runs_is_one_gzip_member(pieces: list[Piece]) -> None:
    whole = b"".join(chunk for _, chunks in pieces for chunk in chunks)
    stored = assemble(pieces)
    inflater = zlib.decompressobj(31)
    assert inflater.decompress(stored) == whole
    assert inflater.eof
    assert inflater.unused_data == b""
    assert gzip.decompress(stored) == whole
    assert isal_zlib.decompress(stored, 31) == whole
    assert assemble(pieces) == stored


@settings(deadline=None, max_examples=15)
@given(PIECES)
def test_gnu_gzip_reads_it_without_a_warning(pieces: list[Piece]) -> None:
    done = subprocess.run(["gzip", "-dc"], input=assemble(pieces), capture_output=True, check=True)
    assert done.stdout == b"".join(chunk for _, chunks in pieces for chunk in chunks)
    assert done.stderr == b""


def test_gnu_tar_and_gzip_accept_an_archive_of_segments(tmp_path: Path) -> None:
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for name, length in (("lines", 300_000), ("empty", 0), ("noise", 1_000_000)):
            member = tarfile.TarInfo(name)
            member.size = length
            archive.addfile(member, io.BytesIO(bytes(length)))
    raw = tar.getvalue()
    pieces: list[Piece] = [("own", [raw[:512]]), ("segment", [raw[512:400_000]]), ("blob", [raw[400_000:]])]
    path = tmp_path / "a.tar.gz"
    path.write_bytes(assemble(pieces))
    subprocess.run(["gzip", "-t", path], check=True)
    listed = subprocess.run(["tar", "-tzf", path], check=True, capture_output=True, text=True)
    assert listed.stdout.split() == ["lines", "empty", "noise"]
    subprocess.run(["tar", "-xzf", path, "-C", tmp_path], check=True)
    assert (tmp_path / "noise").read_bytes() == bytes(1_000_000)


def slow_combine(first: int, second: int, length: int) -> int:
    """CRC-32 of a concatenation: ``first`` times x^(8 * length), modulo the polynomial, plus ``second``."""

    def times(a: int, b: int) -> int:
        product = 0
        for bit in range(31, -1, -1):
            product ^= b if a >> bit & 1 else 0
            b = (b >> 1) ^ (0xEDB88320 if b & 1 else 0)
        return product

    square, power, exponent = 1 << 30, 1 << 31, 8 * length
    while exponent:
        power = times(power, square) if exponent & 1 else power
        square = times(square, square)
        exponent >>= 1
    return times(first, power) ^ second


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_the_slow_reference_is_a_crc_of_a_concatenation(first: bytes, second: bytes) -> None:
    assert slow_combine(zlib.crc32(first), zlib.crc32(second), len(second)) == zlib.crc32(first + second)


@pytest.mark.parametrize("length", [0, 1, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**32 + 5, 2**45 + 3])
def test_checksums_combine_for_any_length(length: int) -> None:
    assert isal_zlib.crc32_combine(0x1234ABCD, 0x9ABCDEF0, length) == slow_combine(
        0x1234ABCD, 0x9ABCDEF0, length
    )


@pytest.mark.parametrize("length", [3 * GIB, 4 * GIB - 1, 4 * GIB, 4 * GIB + 7, 5000 * GIB])
def test_the_trailer_has_the_length_modulo_four_gib(length: int) -> None:
    assembler = GzipAssembler()
    assembler.own(b"before")
    assembler.add(Extent(length, stored_length=100, crc32=0xCAFE))
    trailer = assembler.finish()[-8:]
    crc32 = slow_combine(zlib.crc32(b"before"), 0xCAFE, length)
    assert trailer == crc32.to_bytes(4, "little") + ((length + 6) % 2**32).to_bytes(4, "little")
    assert assembler.raw_length == length + 6
