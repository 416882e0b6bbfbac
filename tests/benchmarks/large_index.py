"""Gives a project an index of millions of entries without their bytes: rows, and objects that are holes.

The rows are those that an import leaves, over many small files in packs and large blobs of their own: a run
for each pack and each blob.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.statements import psql

_GIB = 1024**3
_IN_A_PACK = 100_000
_OBJECTS = """
INSERT INTO objects (key, kind, state, size, sha256, touched_at)
SELECT 'simulated/{project}/{kind}/' || n, '{kind}', 'stored', {size},
       CASE WHEN '{kind}' = 'blob' THEN sha256(('simulated {project} ' || n)::bytea) END,
       now() + interval '1 day'
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
_RUNS = """
WITH body AS (
    SELECT s.id, s.body_size FROM snapshots s JOIN projects p ON p.snapshot_id = s.id WHERE p.id = {project}
), laid AS (
    INSERT INTO runs (snapshot_id, start, lead, object_id, position, size, raw_size, crc32)
    SELECT b.id, b.body_size + sum(o.size + length(lead)) OVER (ORDER BY o.id) - o.size - length(lead),
           lead, o.id, 0, o.size, o.size + length(lead), 0
    FROM body b, objects o, LATERAL (SELECT CASE o.kind WHEN 'blob' THEN {lead} ELSE '' END::bytea AS lead) l
    WHERE o.key LIKE 'simulated/{project}/%'
    RETURNING size + length(lead) AS size, raw_size)
UPDATE snapshots SET body_size = body_size + l.size, body_raw_size = body_raw_size + l.raw_size,
                     entries = entries + {entries}
FROM (SELECT sum(size) AS size, sum(raw_size) AS raw_size FROM laid) l
WHERE id = (SELECT id FROM body)
"""
_TOUCH = "UPDATE objects SET touched_at = now() WHERE key LIKE 'simulated/{project}/%'"
"""Lets objects be collected, which the collector spares until rows refer to them."""

_LEAD = "decode(repeat('00', 517), 'hex')"
"""As long as the header of a file in a block that is stored."""


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
    execute(_RUNS, lead=_LEAD, entries=shape.files + shape.blobs)
    execute(_TOUCH)
    psql(url, "VACUUM ANALYZE entries", "VACUUM ANALYZE objects", "VACUUM ANALYZE runs")


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
