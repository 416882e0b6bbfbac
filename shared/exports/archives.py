"""Finished archives: as in GitLab, one for each project and user, of the export requested last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.database.pool import Database, Row
from shared.jobs.models import Job

_OWNED = "a.project_id = $1 AND a.user_id = $2 AND j.id = a.job_id"
_ENDED = """j.finished_at IS NOT NULL
    AND NOT EXISTS (SELECT FROM jobs u WHERE u.parent_id = j.id AND u.finished_at IS NULL)"""
_COLUMNS = ("id", "object_id", "file_name", "size", "sha256", "created_at", "expires_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedArchive:
    """An archive that can be downloaded until ``expires_at``; ``key`` is that of its object."""

    id: int
    object_id: int
    key: str
    file_name: str
    size: int
    sha256: bytes
    created_at: datetime
    expires_at: datetime


async def keep_newest(  # the columns of an archive
    db: Database, job: Job, *, object_id: int, size: int, sha256: bytes, file_name: str, retention: timedelta
) -> None:
    """Record the archive that ``job`` made, in place of those of the user's earlier exports.

    An earlier archive that is still being uploaded to the user's address stays until its job has ended, but
    is not found any more.
    """
    await db.execute(
        f"DELETE FROM archives a USING jobs j WHERE {_OWNED} AND {_ENDED} AND a.job_id < $3",  # noqa: S608  # fixed texts
        job.project_id, job.user_id, job.id,
    )  # fmt: skip
    await db.execute(
        """INSERT INTO archives (project_id, user_id, job_id, object_id, size, sha256, file_name, expires_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, now() + $8)
           ON CONFLICT (job_id) DO UPDATE SET
               object_id = excluded.object_id, size = excluded.size, sha256 = excluded.sha256,
               file_name = excluded.file_name, expires_at = excluded.expires_at, created_at = now()""",
        job.project_id, job.user_id, job.id, object_id, size, sha256, file_name, retention,
    )  # fmt: skip


async def find(db: Database, *, project_id: int, user_id: int) -> FinishedArchive | None:
    """Find the user's newest archive of the project that has not expired."""
    row = await db.fetchrow(
        """SELECT a.*, o.key FROM archives a JOIN objects o ON o.id = a.object_id
           WHERE a.project_id = $1 AND a.user_id = $2 AND a.expires_at > now()
           ORDER BY a.job_id DESC LIMIT 1""",
        project_id, user_id,
    )  # fmt: skip
    return _archive(row) if row else None


async def find_by_job(db: Database, job: Job) -> FinishedArchive | None:
    """Find the archive that an attempt of ``job`` recorded, where it has not expired."""
    row = await db.fetchrow(
        """SELECT a.*, o.key FROM archives a JOIN objects o ON o.id = a.object_id
           WHERE a.job_id = $1 AND a.expires_at > now()""",
        job.id,
    )
    return _archive(row) if row else None


def _archive(row: Row) -> FinishedArchive:
    return FinishedArchive(key=row["key"], **{column: row[column] for column in _COLUMNS})


async def remove_archives(db: Database, *, project_id: int, user_id: int) -> None:
    """Remove the archives of the user's ended exports; the collector deletes the objects."""
    await db.execute(
        f"DELETE FROM archives a USING jobs j WHERE {_OWNED} AND {_ENDED}",  # noqa: S608  # fixed texts
        project_id,
        user_id,
    )
