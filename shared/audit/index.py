"""Whether the index agrees with itself: what it says in one place, and what in another."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta

from shared.audit.findings import Finding, FindingKind
from shared.audit.indexed import IndexedObject
from shared.database.pool import Database
from shared.snapshots.contents import make_manifest_digest

_PAGE = 100
_MOST = 1000
"""Findings of one kind that are told of one snapshot, or of objects that are not stored."""

_PATIENCE = timedelta(minutes=10).total_seconds()
"""How long one statement may take; a snapshot may have millions of entries."""

_PLACES = {"entries": "stored_size", "runs": "size", "packed_files": "size"}
"""Tables that name stretches of objects, and their columns of lengths."""


async def find_contradictions(db: Database, objects: Sequence[IndexedObject]) -> list[Finding]:
    """Find what the index says of objects and of their entries that cannot both be true."""
    return [*await _find_outside(db, objects), *await _find_blob_digests(db, objects)]


async def _find_blob_digests(db: Database, objects: Sequence[IndexedObject]) -> list[Finding]:
    """Find blobs whose entries have another digest, by which new content would get the bytes of another."""
    rows = await db.fetch(
        """SELECT o.key, min(e.snapshot_id) AS snapshot_id, min(e.name) AS name
           FROM objects o JOIN entries e ON e.object_id = o.id
           WHERE o.id = ANY($1) AND o.kind = 'blob' AND e.sha256 <> o.sha256 GROUP BY o.id ORDER BY o.id""",
        [each.id for each in objects], timeout=_PATIENCE,
    )  # fmt: skip
    reason = "its digest is not that of its entry"
    return [Finding(kind=FindingKind.BLOB_DIGEST, reason=reason, **dict(row)) for row in rows]


async def _find_outside(db: Database, objects: Sequence[IndexedObject]) -> list[Finding]:
    """Find what names bytes that its object does not have: one finding for each object and table."""
    keys = {each.id: each.key for each in objects}
    found: list[Finding] = []
    for table, size in _PLACES.items():
        rows = await db.fetch(
            f"""SELECT object_id, count(*) AS times, min(snapshot_id) AS snapshot_id
                FROM {table} t JOIN objects o ON o.id = t.object_id
                WHERE object_id = ANY($1)
                  AND (t.position < 0 OR t.{size} < 0 OR t.position + t.{size} > o.size)
                GROUP BY object_id ORDER BY object_id""",  # noqa: S608  # fixed texts
            list(keys), timeout=_PATIENCE,
        )  # fmt: skip
        found += [
            Finding(
                kind=FindingKind.RANGE,
                key=keys[row["object_id"]],
                snapshot_id=row["snapshot_id"],
                reason=f"{row['times']} {table} are not within it",
            )
            for row in rows
        ]
    return found


async def find_unstored(db: Database) -> list[Finding]:
    """Find objects that content names, and that are being written, or deleted: 1,000 at most."""
    rows = await db.fetch(
        """SELECT key, state, snapshot_id FROM objects o, LATERAL (
               SELECT min(id) AS snapshot_id FROM snapshots WHERE committed_at IS NOT NULL AND id IN (
                   SELECT snapshot_id FROM entries WHERE object_id = o.id
                   UNION SELECT snapshot_id FROM runs WHERE object_id = o.id)) first
           WHERE state NOT IN ('stored', 'damaged') AND snapshot_id IS NOT NULL
           ORDER BY o.id LIMIT $1""",
        _MOST, timeout=_PATIENCE,
    )  # fmt: skip
    return [
        Finding(
            kind=FindingKind.OBJECT_UNSTORED,
            key=row["key"],
            snapshot_id=row["snapshot_id"],
            reason=f"its state is {row['state']!r}",
        )
        for row in rows
    ]


async def audit_snapshots(db: Database) -> AsyncGenerator[Finding, None]:
    """Audit all committed snapshots, in the order of their ids. One that is collected meanwhile is right."""
    after, more = 0, True
    while more:
        rows = await db.fetch(
            """SELECT id, content_sha256 FROM snapshots WHERE id > $1 AND committed_at IS NOT NULL
               ORDER BY id LIMIT $2""",
            after, _PAGE,
        )  # fmt: skip
        for row in rows:
            after = row["id"]
            for finding in await _audit_snapshot(db, after, row["content_sha256"]):
                yield finding
        more = len(rows) == _PAGE


async def _audit_snapshot(db: Database, snapshot_id: int, content_sha256: bytes | None) -> list[Finding]:
    return [
        *await _find_segments(db, snapshot_id),
        *await _find_body(db, snapshot_id),
        *await _find_content(db, snapshot_id, content_sha256),
    ]


async def _find_segments(db: Database, snapshot_id: int) -> list[Finding]:
    """Find relations that are not the sum of their segments."""
    rows = await db.fetch(
        """SELECT coalesce(e.name, s.name) AS name FROM (
               SELECT * FROM entries WHERE snapshot_id = $1 AND kind = 'relation' AND raw_size > 0
           ) e FULL JOIN (
               SELECT name, sum(lines) AS lines, sum(raw_size) AS raw, sum(stored_size) AS stored,
                      min(position) AS first, max(position + stored_size) AS last
               FROM segments WHERE snapshot_id = $1 GROUP BY name
           ) s USING (name)
           WHERE e.name IS NULL OR s.name IS NULL OR e.lines <> s.lines OR e.raw_size <> s.raw
              OR e.stored_size <> s.stored OR e.position <> s.first OR e.position + e.stored_size <> s.last
           ORDER BY 1 LIMIT $2""",
        snapshot_id, _MOST, timeout=_PATIENCE,
    )  # fmt: skip
    reason = "it is not the sum of its segments"
    return [
        Finding(kind=FindingKind.SEGMENTS, snapshot_id=snapshot_id, name=row["name"], reason=reason)
        for row in rows
    ]


async def _find_body(db: Database, snapshot_id: int) -> list[Finding]:
    """Find whether the body of archives is not the sum of its runs."""
    differs: bool | None = await db.fetchval(
        """SELECT body_size <> r.size OR body_raw_size <> r.raw FROM snapshots, (
               SELECT coalesce(sum(length(lead) + size), 0) AS size, coalesce(sum(raw_size), 0) AS raw
               FROM runs WHERE snapshot_id = $1) r
           WHERE id = $1 AND layout IS NOT NULL""",
        snapshot_id, timeout=_PATIENCE,
    )  # fmt: skip
    reason = "its body is not the sum of its runs"
    return [Finding(kind=FindingKind.BODY, snapshot_id=snapshot_id, reason=reason)] if differs else []


async def _find_content(db: Database, snapshot_id: int, expected: bytes | None) -> list[Finding]:
    """Find whether the digest of the content is not that of its entries."""
    if expected is None or await _digest(db, snapshot_id) == expected:
        return []
    # Last, as entries of a snapshot that is collected are gone at once.
    if not await db.fetchval("SELECT true FROM snapshots WHERE id = $1", snapshot_id):
        return []
    reason = "its entries have another digest than its content"
    return [Finding(kind=FindingKind.CONTENT_DIGEST, snapshot_id=snapshot_id, reason=reason)]


async def _digest(db: Database, snapshot_id: int) -> bytes | None:
    """Make the digest of the content; None where an entry has lost its own."""
    is_lost = await db.fetchval(
        """SELECT true FROM entries
           WHERE snapshot_id = $1 AND sha256 IS NULL AND kind <> 'directory' LIMIT 1""",
        snapshot_id, timeout=_PATIENCE,
    )  # fmt: skip
    return None if is_lost else await make_manifest_digest(db, snapshot_id)
