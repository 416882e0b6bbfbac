"""Finished archives: as in GitLab, one for each project and user, of the export requested last.

An archive is a plan, whose bytes are put together while they are read: a head, the body of a snapshot, and a
tail. The row keeps the snapshot from being collected. An archive that an older version made is one object.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from shared.database.pool import Database, Row
from shared.jobs.models import Job
from shared.ledger.objects import RETRIABLE
from shared.manifest.format import ManifestFile

_OWNED = "a.project_id = $1 AND a.user_id = $2 AND j.id = a.job_id"
_ENDED = """j.finished_at IS NOT NULL
    AND NOT EXISTS (SELECT FROM jobs u WHERE u.parent_id = j.id AND u.finished_at IS NULL)"""
_RETRIABLE = f"EXISTS (SELECT FROM jobs WHERE parent_id = j.id AND {RETRIABLE})"
_HIDE = f"""WITH hidden AS (UPDATE archives a SET expires_at = now() FROM jobs j
                WHERE {_OWNED} AND {_ENDED} AND {_RETRIABLE} AND a.job_id < $3)"""  # noqa: S608  # fixed texts
_DELETE = f"""DELETE FROM archives a USING jobs j
              WHERE {_OWNED} AND {_ENDED} AND NOT {_RETRIABLE} AND a.job_id < $3"""  # noqa: S608  # fixed texts
"""Both remove the archives of a user's exports before a job: one whose upload can be retried is hidden."""

_LAST = 2**63 - 1
_PLAN = ("size", "snapshot_id", "object_id", "head", "tail", "crc32", "sha256", "manifest_sha256")
_COLUMNS = ("id", *_PLAN, "key", "object_size", "etag", "file_name", "created_at", "expires_at")
_FOUND = """SELECT a.*, coalesce(o.key, '') AS key, coalesce(o.size, 0) AS object_size
            FROM archives a LEFT JOIN objects o ON o.id = a.object_id"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivePlan:
    """What an archive is; ``size`` is in bytes.

    ``snapshot_id`` has its body, if there is one. The head is ``head``, or the object ``object_id``. Without
    a ``tail`` that object is the whole archive. ``crc32`` is that of gzip's trailer; ``sha256`` is of the
    archive, where it is known. ``documents`` are the files of the head, None where an older version made the
    archive; the digest of its manifest is ``manifest_sha256``, where somebody has made it.
    """

    size: int
    snapshot_id: int | None = None
    object_id: int | None = None
    head: bytes | None = None
    tail: bytes | None = None
    crc32: int | None = None
    sha256: bytes | None = None
    etag: str | None = None
    documents: Sequence[ManifestFile] | None = None
    manifest_sha256: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedArchive(ArchivePlan):
    """An archive that can be downloaded until ``expires_at``; ``key`` is that of its object, or ""."""

    id: int
    key: str
    object_size: int
    file_name: str
    created_at: datetime
    expires_at: datetime

    @property
    def head_size(self) -> int:
        """The bytes before the body."""
        return self.object_size if self.head is None else len(self.head)


async def keep_newest(
    db: Database, job: Job, plan: ArchivePlan, *, file_name: str, retention: timedelta
) -> None:
    """Record the archive that ``job`` made, in place of those of the user's earlier exports.

    Its SHA-256 is known where somebody has read the same bytes, which have the same entity tag.
    An earlier archive that is still being uploaded to the user's address stays until its job has ended, but
    is not found any more.
    """
    await db.execute(
        f"""{_HIDE}, deleted AS ({_DELETE})
           INSERT INTO archives (project_id, user_id, job_id, file_name, expires_at, etag, documents,
                                 size, snapshot_id, object_id, head, tail, crc32, sha256, manifest_sha256)
           VALUES ($1, $2, $3, $4, now() + $5, $6, $7, $8, $9, $10, $11, $12, $13,
                   coalesce($14, (SELECT sha256 FROM archives
                                  WHERE etag = $6 AND sha256 IS NOT NULL LIMIT 1)), $15)
           ON CONFLICT (job_id) DO UPDATE SET
               file_name = excluded.file_name, expires_at = excluded.expires_at, created_at = now(),
               etag = excluded.etag, size = excluded.size, snapshot_id = excluded.snapshot_id,
               object_id = excluded.object_id, head = excluded.head, tail = excluded.tail,
               crc32 = excluded.crc32, sha256 = excluded.sha256,
               documents = excluded.documents, manifest_sha256 = excluded.manifest_sha256""",  # noqa: S608  # fixed texts
        job.project_id, job.user_id, job.id, file_name, retention, plan.etag, _encoded(plan.documents),
        *(getattr(plan, column) for column in _PLAN),
    )  # fmt: skip


async def find(db: Database, *, project_id: int, user_id: int) -> FinishedArchive | None:
    """Find the user's newest archive of the project that has not expired."""
    row = await db.fetchrow(
        f"""{_FOUND} WHERE a.project_id = $1 AND a.user_id = $2 AND a.expires_at > now()
            ORDER BY a.job_id DESC LIMIT 1""",
        project_id, user_id,
    )  # fmt: skip
    return _archive(row) if row else None


async def find_by_job(db: Database, job_id: int) -> FinishedArchive | None:
    """Find the archive that a job has made. It is kept, whenever it expires, while it is uploaded."""
    row = await db.fetchrow(f"{_FOUND} WHERE a.job_id = $1", job_id)
    return _archive(row) if row else None


def _archive(row: Row) -> FinishedArchive:
    found = {column: row[column] for column in _COLUMNS}
    if found["etag"] is None:  # of an older version, which knew the digest of each archive
        found["etag"] = row["sha256"].hex()
    documents = row["documents"] and msgspec.json.decode(row["documents"], type=list[ManifestFile])
    return FinishedArchive(**found, documents=documents)


def _encoded(documents: Sequence[ManifestFile] | None) -> str | None:
    return None if documents is None else msgspec.json.encode(documents).decode()


async def record_manifest(db: Database, archive_id: int, sha256: bytes) -> None:
    """Record the digest of an archive's manifest."""
    await db.execute("UPDATE archives SET manifest_sha256 = $2 WHERE id = $1", archive_id, sha256)


async def record_sha256(db: Database, archive: FinishedArchive, sha256: bytes) -> None:
    """Record the SHA-256 of an archive, and of all others that have its entity tag, where it is unknown."""
    await db.execute(
        "UPDATE archives SET sha256 = $2 WHERE etag = $1 AND sha256 IS NULL", archive.etag, sha256
    )


async def claim_unread(db: Database, *, lasting: timedelta) -> FinishedArchive | None:
    """Claim the archive that has waited longest for its SHA-256. Nobody else gets it for so long."""
    row = await db.fetchrow(
        f"""WITH claimed AS (
                UPDATE archives SET read_after = now() + $1 WHERE id = (
                    SELECT id FROM archives WHERE sha256 IS NULL AND read_after < now() AND expires_at > now()
                    ORDER BY read_after LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
                RETURNING id)
            {_FOUND} JOIN claimed ON claimed.id = a.id""",  # noqa: S608  # fixed texts
        lasting,
    )
    return _archive(row) if row else None


async def remove_archives(db: Database, *, project_id: int, user_id: int) -> None:
    """Remove the archives of the user's ended exports; the collector deletes what they alone kept."""
    await db.execute(f"{_HIDE} {_DELETE}", project_id, user_id, _LAST)
