"""Packet lines, the frames of git's protocols (gitprotocol-common(5)): bytes in, packets out, no I/O."""

from __future__ import annotations

import re
from enum import Enum
from typing import TypeAlias

from shared.git.errors import ProtocolBroken

LONGEST = 65_520
"""Bytes of a packet, with the four digits of its length."""

_DIGITS = 4
_LENGTH = re.compile(rb"[0-9a-fA-F]{4}")


class Mark(Enum):
    """A packet without data: the value is what stands for its length."""

    FLUSH = 0
    DELIMITER = 1
    END = 2


Packet: TypeAlias = bytes | Mark
"""The data of a packet, which may be empty, or a mark."""

FLUSH, DELIMITER = b"0000", b"0001"


def packet(data: bytes) -> bytes:
    """Frame ``data``, 65,516 bytes at most."""
    if len(data) > LONGEST - _DIGITS:
        raise ValueError(len(data))
    return b"%04x%b" % (len(data) + _DIGITS, data)


class PacketReader:
    """Takes a stream of packets in order, in pieces of any size. It holds less than one packet."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> list[Packet]:
        """Take the next bytes, and give the packets that end in them. Raises ProtocolBroken."""
        data, at = self._held + data, 0
        packets: list[Packet] = []
        while len(data) - at >= _DIGITS:
            size = _size(data, at)
            if size < _DIGITS:
                packets.append(Mark(size))
            elif len(data) - at >= size:
                packets.append(data[at + _DIGITS : at + size])
            else:
                break
            at += max(size, _DIGITS)
        self._held = data[at:]
        return packets

    @property
    def is_between(self) -> bool:
        """Whether no packet has begun that has not ended."""
        return not self._held


def _size(data: bytes, at: int) -> int:
    digits = _LENGTH.match(data, at)
    size = int(digits[0], 16) if digits else LONGEST + 1
    if size > LONGEST or Mark.END.value < size < _DIGITS:
        raise ProtocolBroken("a packet has no valid length")
    return size
