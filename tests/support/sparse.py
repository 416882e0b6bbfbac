"""Sparse files in each of GNU tar's formats, built block by block."""

from __future__ import annotations

from collections.abc import Sequence

from tests.support.archives import GNU, header, padded, pax, pax_record, summed

Stretches = Sequence[tuple[int, bytes]]
"""What is stored, and where in the file."""


def expanded(stretches: Stretches, size: int) -> bytes:
    """The file itself."""
    whole = bytearray(size)
    for offset, data in stretches:
        whole[offset : offset + len(data)] = data
    return bytes(whole)


def old(name: bytes, stretches: Stretches, size: int) -> bytes:
    """GNU tar's old format: four stretches in the header, 21 in each block after that."""
    stored = b"".join(data for _, data in stretches)
    block = bytearray(header(name, kind=b"S", size=len(stored), magic=GNU))
    pairs = [b"%011o\0%011o\0" % (offset, len(data)) for offset, data in stretches]
    block[386:482] = b"".join(pairs[:4]).ljust(96, b"\0")
    block[482] = len(pairs) > 4
    block[483:495] = b"\x80" + size.to_bytes(11, "big")
    blocks = [summed(bytes(block))]
    for start in range(4, len(pairs), 21):
        more = bytes([start + 21 < len(pairs)])
        blocks.append(b"".join(pairs[start : start + 21]).ljust(504, b"\0") + more.ljust(8, b"\0"))
    return b"".join(blocks) + padded(stored)


def pax_0_0(name: bytes, stretches: Stretches, size: int) -> bytes:
    """A record for each number."""
    records = [_record("size", size), _record("numblocks", len(stretches))]
    for offset, data in stretches:
        records += [_record("offset", offset), _record("numbytes", len(data))]
    return pax(*records) + _entry(name, stretches)


def pax_0_1(name: bytes, stretches: Stretches, size: int) -> bytes:
    """The map in one record, and the name in another."""
    numbers = ",".join(f"{offset},{len(data)}" for offset, data in stretches)
    records = [_record("size", size), _record("numblocks", len(stretches)), _record("map", numbers)]
    return pax(*records, _record("name", name.decode())) + _entry(b"GNUSparseFile.0/x", stretches)


def pax_1_0(name: bytes, stretches: Stretches, size: int) -> bytes:
    """The map before the data, in blocks of its own."""
    numbers = [len(stretches), *(number for at, data in stretches for number in (at, len(data)))]
    lines = padded(b"".join(b"%d\n" % number for number in numbers))
    records = [_record("major", 1), _record("minor", 0), _record("realsize", size)]
    return pax(*records, _record("name", name.decode())) + _entry(
        b"GNUSparseFile.0/x", stretches, before=lines
    )


FORMATS = {"old": old, "pax 0.0": pax_0_0, "pax 0.1": pax_0_1, "pax 1.0": pax_1_0}


def _record(name: str, value: object) -> bytes:
    return pax_record(b"GNU.sparse." + name.encode(), str(value).encode())


def _entry(name: bytes, stretches: Stretches, before: bytes = b"") -> bytes:
    stored = before + b"".join(data for _, data in stretches)
    return header(name, size=len(stored)) + padded(stored)
