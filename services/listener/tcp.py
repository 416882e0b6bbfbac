"""What Linux knows of a TCP connection and asyncio does not tell."""

from __future__ import annotations

import socket
import struct
from asyncio.trsock import TransportSocket

_ACKNOWLEDGED = struct.Struct("=120xQ")
"""``tcpi_bytes_acked`` in ``struct tcp_info`` of linux/tcp.h, whose fields never move."""


def limit_silence(connection: TransportSocket, *, seconds: float) -> None:
    """Make the kernel end a connection whose peer takes nothing for so long, or keeps its window shut."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))


def acknowledged_bytes(connection: TransportSocket) -> int:
    """Return how many bytes the peer has acknowledged since the connection began.

    The write buffer says less: the kernel takes up to 4 MiB from it that the peer has not seen.
    """
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKNOWLEDGED.size)
    count: int
    (count,) = _ACKNOWLEDGED.unpack(info)
    return count
