"""The archives of a soak: each is of one number, which all that is in it tells."""

from __future__ import annotations

import random
import re

from tests.support.projects import archive, files

MIB = 1024 * 1024
_ISSUES = "tree/project/issues.ndjson"
_BLOB = f"uploads/{'0123456789abcdef' * 2}/blob"
_COMPARED = (_ISSUES, _BLOB)
_NUMBER = re.compile(rb'"\d+ of (\d+)"')


def packed(number: int, *, mib: int) -> bytes:
    """Make an archive of ``mib`` MiB of records and a blob of as many; of 20 records and 64 bytes for 0."""
    own = _files(number, mib=mib)
    return archive([("VERSION", b"0.2.4"), ("tree/project.json", b'{"description":"soak"}'), *own.items()])


def is_whole(exported: bytes, number: int, *, mib: int) -> bool:
    """Tell whether an archive that was exported has what was put into that of a number, and nothing else."""
    found = files(exported)
    named = {name for name in found if not name.endswith("/")}
    own = _files(number, mib=mib)
    expected = {"VERSION", "tree/project.json", *own}
    return named == expected and all(found[name] == own[name] for name in _COMPARED)


def number_of(exported: bytes) -> int:
    """Read the number in an archive that was exported; -1 where there is none."""
    found = _NUMBER.search(files(exported).get(_ISSUES, b""))
    return int(found[1]) if found else -1


def _files(number: int, *, mib: int) -> dict[str, bytes]:
    count, padding = (1024 * mib, b" " * 1024) if mib else (20, b"")
    lines = (b'{"iid":%d,"title":"%d of %d"}%s\n' % (line, line, number, padding) for line in range(count))
    blob = random.Random(number).randbytes(MIB * mib or 64)  # noqa: S311  # the same each time
    return {_ISSUES: b"".join(lines), _BLOB: blob}
