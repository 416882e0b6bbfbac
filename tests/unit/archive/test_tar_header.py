from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.archive.errors import BadNumber
from shared.archive.tar_header import Header, checksum, parse_header
from tests.support.archives import GNU, POSIX, V7, header, summed


def parsed(block: bytes) -> Header:
    found = parse_header(block)
    assert found is not None
    return found


def test_it_reads_name_size_time_and_type() -> None:
    block = header(b"./tree/project.json", size=60, mtime=1_700_000_000)
    assert parsed(block) == Header(b"./tree/project.json", 60, 1_700_000_000, b"0")


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.binary(min_size=512, max_size=512))
def test_the_checksum_is_the_sum_with_its_own_field_as_spaces(block: bytes) -> None:
    assert checksum(block) == sum(block[:148] + b" " * 8 + block[156:])


def test_the_checksum_of_the_largest_bytes_does_not_wrap() -> None:
    assert checksum(b"\xff" * 512) == 504 * 255 + 8 * 32


def test_a_sum_of_signed_characters_is_accepted() -> None:
    block = header("./Übersicht".encode())
    signed = sum(byte - 256 * (byte > 127) for byte in block[:148] + b" " * 8 + block[156:])
    assert signed != checksum(block)
    assert parse_header(block[:148] + b"%06o\0 " % signed + block[156:]) is not None


@pytest.mark.parametrize("stored", [b"0000000\0", b"garbage!", b"\0" * 8, b"-0012345"])
def test_a_block_whose_checksum_does_not_hold_is_no_header(stored: bytes) -> None:
    block = header()
    assert parse_header(block[:148] + stored + block[156:]) is None


@pytest.mark.parametrize("index", [0, 99, 130, 156, 300, 511])
def test_every_byte_counts_for_the_checksum(index: int) -> None:
    block = bytearray(header())
    block[index] ^= 1
    assert parse_header(bytes(block)) is None


def test_a_posix_prefix_goes_before_the_name() -> None:
    assert parsed(header(b"name", prefix=b"a/b", magic=POSIX)).name == b"a/b/name"


@pytest.mark.parametrize("magic", [GNU, V7])
def test_only_posix_has_a_prefix(magic: bytes) -> None:
    assert parsed(header(b"name", prefix=b"14524770400", magic=magic)).name == b"name"


def test_a_name_and_a_prefix_may_fill_their_fields() -> None:
    assert parsed(header(b"n" * 100, prefix=b"p" * 155)).name == b"p" * 155 + b"/" + b"n" * 100


@pytest.mark.parametrize(
    ("field", "size"),
    [
        (b"00000000017\0", 15),
        (b"000000000017", 15),
        (b"         17 ", 15),
        (b"17\0", 15),
        (b"17 \0", 15),
        (bytes(12), 0),
        (b" " * 12, 0),
        (b"77777777777\0", 8**11 - 1),
        (b"\x80" + (8**11).to_bytes(11, "big"), 8**11),
        (b"\x80" + (2**63 - 1).to_bytes(11, "big"), 2**63 - 1),
    ],
)
def test_sizes_are_octal_or_base_256(field: bytes, size: int) -> None:
    assert parsed(header(size=field)).size == size


@pytest.mark.parametrize(
    "field",
    [
        b"-0000000001\0",
        b"+0000000001\0",
        b"0000000000o\0",
        b"00000000008\0",
        b"0o000000017\0",
        b"000000_0017\0",
        b"0000 000017\0",
        b"0000\x000000017",
        b"\xef\xbc\x91\xef\xbc\x97",
        b"\xff" * 12,
        b"\x80" + (2**63).to_bytes(11, "big"),
        b"\x81" + bytes(11),
    ],
)
def test_malformed_negative_and_absurd_sizes_are_refused_by_name(field: bytes) -> None:
    with pytest.raises(BadNumber, match=r"\./the-entry"):
        parse_header(header(b"./the-entry", size=field))


def test_a_time_before_1970_is_read() -> None:
    assert parsed(header(mtime=(-5).to_bytes(12, "big", signed=True))).mtime == -5


def test_a_malformed_time_is_refused() -> None:
    with pytest.raises(BadNumber):
        parse_header(header(mtime=b"yesterday"))


def test_builder_and_parser_agree_on_the_sum() -> None:
    assert parse_header(summed(header())) is not None
