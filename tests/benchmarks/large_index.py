"""Gives a project an index of millions of entries without their bytes: rows, and objects that are holes.

The rows are those that an import leaves, over many small files in packs and large blobs of their own.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.statements import psql

_GIB = 1024**3
_IN_A_PACK = 100_000
_OBJECTS = """
INSERT INTO objects (key, kind, state, size, sha256)
SELECT 'simulated/{project}/{kind}/' || n, '{kind}', 'stored', {size},
       CASE WHEN '{kind}' = 'blob' THEN sha256(('simulated {project} ' || n)::bytea) END
FROM generate_series(1, {count}) n
"""
_PACKED = """
INSERT INTO entries
    (snapshot_id, name, kind, mtime, object_id, position, stored_size, raw_size, crc32, sha256)
SELECT p.snapshot_id, 'uploads/' || md5(n::text) || '/image.png', 'blob', 1700000000, o.id,
       ((n - 1) % {in_a_pack}) * {size}::bigint, {size}, {size}, n, sha256(n::text::bytea)
FROM generate_series({first}, {last}) n
JOIN objects o ON o.key = 'simulated/{project}/pack/' || 1 + (n - 1) / {in_a_pack}
JOIN projects p ON p.id = {project}
"""
_BLOBS = """
INSERT INTO entries
    (snapshot_id, name, kind, mtime, object_id, position, stored_size, raw_size, crc32, sha256)
SELECT p.snapshot_id, 'lfs-objects/' || encode(o.sha256, 'hex'), 'blob', 1700000000, o.id,
       0, o.size, o.size, o.id, o.sha256
FROM objects o JOIN projects p ON p.id = {project} WHERE o.key LIKE 'simulated/{project}/blob/%'
"""


@dataclass(frozen=True, slots=True)
class Shape:
    """How many small files of how many bytes, and how many large blobs of 1 GiB."""

    files: int
    file_size: int
    blobs: int = 0

    @property
    def packs(self) -> int:
        """How many packs hold the small files."""
        return -(-self.files // _IN_A_PACK)


def fill(url: str, project: int, shape: Shape) -> None:
    """Add rows to the current snapshot of a project, a pack at a time."""

    def execute(statement: str, **more: object) -> None:
        psql(url, statement.format(project=project, in_a_pack=_IN_A_PACK, **more))

    execute(_OBJECTS, kind="pack", size=_IN_A_PACK * shape.file_size, count=shape.packs)
    execute(_OBJECTS, kind="blob", size=_GIB, count=shape.blobs)
    for first in range(1, shape.files + 1, _IN_A_PACK):
        execute(_PACKED, first=first, last=min(first + _IN_A_PACK - 1, shape.files), size=shape.file_size)
    execute(_BLOBS)
    psql(url, "VACUUM ANALYZE entries", "VACUUM ANALYZE objects")


def dig(objects: Path, project: int, shape: Shape) -> None:
    """Make the objects as files that are one hole each, below the folder of a file system store."""
    for kind, count, size in (
        ("pack", shape.packs, _IN_A_PACK * shape.file_size),
        ("blob", shape.blobs, _GIB),
    ):
        folder = objects / f"simulated/{project}/{kind}"
        folder.mkdir(parents=True)
        for number in range(1, count + 1):
            (folder / str(number)).touch()
            os.truncate(folder / str(number), size)
