"""The nastiest archives: each makes a reader do as much as it can for as few compressed bytes as it can."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, count, repeat

from tests.support.archives import file, header, long_name, padded, pax, pax_record
from tests.support.projects import MINIMAL
from tests.support.sparse import old, pax_1_0

_ENDLESS = 8**11 - 1
_BLOCK = 64 * 1024
_DOUBLE = b"\0\5\26\7" + bytes(508)
_DEEP = b"[" * 980 + b"]" * 980
_LONG_LINE = 4 * 1024 * 1024
"""So long that it is worked on as a whole, and so short that many are paid for."""


def _project() -> bytes:
    return b"".join(file(name, data) for name, data in MINIMAL)


def _endless(name: str, *pattern: bytes) -> Iterator[bytes]:
    """One file that does not end."""
    once = b"".join(pattern)
    return chain([header(f"./{name}".encode(), size=_ENDLESS)], repeat(once * max(1, _BLOCK // len(once))))


def _relation(*pattern: bytes) -> Callable[[], Iterator[bytes]]:
    return lambda: _endless("tree/project/issues.ndjson", *pattern)


def _line(begin: bytes, middle: bytes, end: bytes) -> Callable[[], Iterator[bytes]]:
    """Long lines, which are parsed, measured and copied as a whole."""
    block = middle * (_BLOCK // len(middle))
    middles = [block] * (_LONG_LINE // len(block))
    return lambda: chain(
        [header(b"./tree/project/issues.ndjson", size=_ENDLESS)],
        chain.from_iterable(repeat([begin, *middles, end + b"\n"])),
    )


def _entries(make: Callable[[int], bytes]) -> Callable[[], Iterator[bytes]]:
    return lambda: map(make, count())


def _implied(number: int) -> bytes:
    """A file below a thousand folders that no other name implies."""
    path = b"./uploads/%d" % number + b"/d" * 1000 + b"/f"
    return long_name(path) + header(path[:100])


def _pax_records(number: int) -> bytes:
    return pax(*[pax_record(b"comment", b"")] * 900) + header(b"./uploads/%d" % number)


_TITLE = b'{"title":"t","x":['
HUGE: dict[str, Callable[[], Iterator[bytes]]] = {
    "blank lines": _relation(b"\n"),
    "lines of a carriage return": _relation(b"\r\n"),
    "null": _relation(b"null\n"),
    "empty objects": _relation(b"{}\n"),
    "small records": _relation(b'{"title":"t"}\n'),
    "junk": _relation(b"x\n"),
    "records of 700 bytes": _relation(b'{"title":"t","x":"%s"}\n' % (b"y" * 680)),
    "long lines of strings": _line(_TITLE, b'"",', b"1]}"),
    "long lines of numbers": _line(_TITLE, b"1,", b"1]}"),
    "long lines of spaces": _line(_TITLE, b" ", b"1]}"),
    "long lines of text": _line(_TITLE + b'"', b"y", b'"]}'),
    "long lines of accents": _line(_TITLE + b'"', "é".encode(), b'"]}'),
    "long lines of escapes": _line(b'{"title":"', b"\\u00e9", b'"}'),
    "long lines of junk": _line(b"", b"x", b""),
    "an endless line": _relation(b" " * 1024),
    "deep nesting": _line(_TITLE, _DEEP + b",", b"1]}"),
    "wide nesting": _line(_TITLE, b"[],", b"1]}"),
    "deep and wide nesting": _line(_TITLE + b"[" * 980, b"[],", b"1" + b"]" * 981 + b"}"),
    "brackets in strings": _line(_TITLE + b"[]," * 1001, b'"[",', b"1]}"),
    "nesting that is too deep": _line(_TITLE, b"[", b""),
    "zeros": lambda: _endless("uploads/z", bytes(_BLOCK)),
    "zeros in an LFS object": lambda: _endless(f"lfs-objects/{'0' * 64}", bytes(_BLOCK)),
    "a file that is skipped": lambda: chain(
        [header(b"./._VERSION", size=_ENDLESS), _DOUBLE], repeat(bytes(_BLOCK))
    ),
    "a sparse file": lambda: iter([old(b"./uploads/z", [], 2**40)]),
    "stretches of sparse files": _entries(
        lambda n: pax_1_0(b"./uploads/%d" % n, [(each, b"") for each in range(5000)], 5000)
    ),
    "a file again": _entries(lambda n: file("uploads/again", b"%d" % n)),
    "a relation again": _entries(lambda n: file("tree/project/issues.ndjson", b"x\n")),
    "names that cannot be kept": _entries(lambda n: header(b"./uploads/\xff%d" % n)),
    "a file of many lines": lambda: _endless("uploads/z", b"\n"),
    "references of a bundle": lambda: chain(
        [header(b"./project.bundle", size=_ENDLESS), b"# v2 git bundle\n"],
        repeat((b"0" * 40 + b" r\n") * 1000),
    ),
    "objects of a bundle": lambda: chain(
        [header(b"./project.bundle", size=_ENDLESS), b"# v2 git bundle\n" + b"1" * 40 + b" r\n\nPACK"],
        [b"\0\0\0\2\xff\xff\xff\xff"],
        repeat((b"\x30" + zlib.compress(b"")) * 5000),
    ),
    "large objects of a bundle": lambda: chain(
        [header(b"./project.bundle", size=_ENDLESS), b"# v2 git bundle\n" + b"1" * 40 + b" r\n\nPACK"],
        [b"\0\0\0\2\xff\xff\xff\xff"],
        repeat(b"\xb0\x80\x80\x40" + zlib.compress(bytes(2**24))),
    ),
    "an index of LFS objects": lambda: chain(
        [header(b"./lfs-objects.json", size=50 * 2**20 - 1), b'{"a":['],
        [b"0," * 500] * (50 * 1024 + 1),
    ),
    "zeros after the end": lambda: repeat(bytes(_BLOCK)),
    "empty files": _entries(lambda n: header(b"./uploads/%d" % n)),
    "small files": _entries(lambda n: file(f"uploads/{n}", b"x")),
    "folders": _entries(lambda n: header(b"./uploads/%d/" % n, kind=b"5")),
    "the root again": _entries(lambda _: header(b"./", kind=b"5")),
    "a folder again": _entries(lambda _: header(b"./uploads/", kind=b"5")),
    "folders that are implied": _entries(_implied),
    "folders that are implied anew": _entries(
        lambda n: long_name(b"./uploads/%d" % (n % 2) + b"/d" * 1000 + b"/%d" % n) + header(b"./uploads/x")
    ),
    "skipped files": _entries(lambda _: header(b"./._VERSION", size=4) + padded(_DOUBLE[:4])),
    "directories with lists": _entries(lambda n: header(b"./uploads/%d/" % n, kind=b"D")),
    "volume labels": _entries(lambda _: header(b"./x", kind=b"V")),
    "headers for all entries": _entries(lambda _: pax(pax_record(b"comment", b""), kind=b"g")),
    "records of PAX headers": _entries(_pax_records),
    "large PAX headers": _entries(
        lambda n: pax(pax_record(b"comment", b"x" * 1_000_000)) + header(b"./uploads/%d" % n)
    ),
    "long names": _entries(lambda n: long_name(b"./uploads/" + b"%d" % n * 200) + header(b"./uploads/x")),
}
"""Blocks of a tar after those of a project, without end or nearly so, by what is nasty about them."""


def nasty(what: str, size: int) -> Iterator[bytes]:
    """Give a gzip file of at least ``size`` bytes, in pieces; it is cut there, or ends."""
    return _squeezed(chain([_project()], HUGE[what]()), size)


def _squeezed(blocks: Iterable[bytes], size: int) -> Iterator[bytes]:
    squeeze, sent = zlib.compressobj(9, zlib.DEFLATED, 31), 0
    for block in blocks:
        if piece := squeeze.compress(block):
            yield piece
            sent += len(piece)
        if sent >= size:
            break
    yield squeeze.flush()


def empty_members(size: int) -> Iterator[bytes]:
    """Give gzip members without content, one after another: ``size`` bytes of them."""
    member = zlib.compressobj(9, zlib.DEFLATED, 31).flush()
    return repeat(member, size // len(member))
