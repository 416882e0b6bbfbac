from __future__ import annotations

import pytest

from shared.git.errors import ProtocolBroken
from shared.git.packet_lines import LONGEST, Mark, Packet, PacketReader, packet

STREAM = packet(b"hello\n") + b"0000" + packet(b"") + b"0001" + packet(bytes(1000)) + b"0002"
PACKETS: list[Packet] = [b"hello\n", Mark.FLUSH, b"", Mark.DELIMITER, bytes(1000), Mark.END]


def read(data: bytes, cut: int) -> list[Packet]:
    reader = PacketReader()
    return [each for at in range(0, len(data), cut) for each in reader.feed(data[at : at + cut])]


@pytest.mark.parametrize("cut", [1, 3, 7, 512, 65536])
def test_packets_are_the_same_at_every_cut(cut: int) -> None:
    assert read(STREAM, cut) == PACKETS


@pytest.mark.parametrize("digits", [b"0003", b"fff1", b"ffff", b"+123", b" 123", b"0x12", b"1_00", b"<htm"])
def test_a_length_that_no_packet_has_is_refused(digits: bytes) -> None:
    with pytest.raises(ProtocolBroken, match="no valid length"):
        read(digits + bytes(70_000), 65536)


def test_no_more_than_one_packet_is_held() -> None:
    longest = packet(bytes(LONGEST - 4))
    reader = PacketReader()
    assert reader.feed(longest[:-1]) == []
    assert not reader.is_between
    assert reader.feed(longest[-1:] + longest) == [longest[4:], longest[4:]]
    assert reader.is_between


def test_what_is_longer_than_a_packet_is_not_framed() -> None:
    with pytest.raises(ValueError, match="65517"):
        packet(bytes(65_517))
