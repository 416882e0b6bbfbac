"""A snapshot is opened for a job, becomes the current one of its project, and is pinned by exports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.database.pool import Connection, Database, Pool
from shared.errors import LeaseLost
from shared.gitlab.features import NAMES, ProjectFeatures
from shared.gitlab.layout import LFS_INDEX
from shared.gitlab.visibility import Visibility
from shared.jobs.models import Lease
from shared.snapshots import runs as body_runs
from shared.snapshots.errors import SnapshotOutdated
from shared.snapshots.models import Body


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentContent:
    """A project's current snapshot with all that says to whom its content is shown, read at one moment.

    ``snapshot_id`` is None where the project has no content, and ``features`` where its row lacks any.
    """

    snapshot_id: int | None
    features: ProjectFeatures | None
    overrides: Mapping[str, object]
    visibility: Visibility


@dataclass(frozen=True, slots=True)
class Pinned:
    """A snapshot that an export reads, with its body where that is laid out.

    ``has_lfs_index`` says whether it has an index of LFS objects, as far as that was looked up.
    """

    snapshot_id: int
    body: Body | None
    has_lfs_index: bool = False


async def open_snapshot(pool: Pool, lease: Lease, *, project_id: int) -> int:
    """Open the snapshot of an import, and delete that of an earlier attempt of the same job.

    The deletion also stops the earlier attempt: its next batch names a snapshot that does not exist. Raises
    LeaseLost.
    """
    snapshot_id: int | None = await pool.fetchval(
        """WITH held AS (
               SELECT id, snapshot_id FROM jobs WHERE id = $1 AND lease = $2 AND state = 'running' FOR UPDATE
           ), earlier AS (
               DELETE FROM snapshots WHERE id IN (SELECT snapshot_id FROM held)
           ), opened AS (
               INSERT INTO snapshots (project_id) SELECT $3 FROM held RETURNING id
           )
           UPDATE jobs SET snapshot_id = opened.id FROM held, opened WHERE jobs.id = held.id
           RETURNING opened.id""",
        lease.job_id, lease.token, project_id,
    )  # fmt: skip
    if snapshot_id is None:
        raise LeaseLost(lease.job_id)
    return snapshot_id


async def commit(
    db: Connection,
    *,
    snapshot_id: int,
    project_id: int,
    features: ProjectFeatures,
    body: Body | None = None,
    content_sha256: bytes | None = None,
) -> None:
    """Make the snapshot the project's current one; visible once the caller's transaction is committed.

    ``features`` are those of the snapshot's record; ``body`` is that of an archive, where it is laid out;
    ``content_sha256`` is the digest of its files, where it is made.
    """
    await db.execute(
        f"""WITH committed AS (UPDATE snapshots SET committed_at = now(), features = $3, content_sha256 = $4,
                ({", ".join(body_runs.TOTALS)}) = ROW ($5, $6, $7, $8, $9, $10) WHERE id = $1)
           UPDATE projects SET snapshot_id = $1 WHERE id = $2""",  # noqa: S608  # fixed texts
        snapshot_id, project_id, features.levels, content_sha256, *body_runs.totals_of(body),
    )  # fmt: skip


async def commit_on_base(
    db: Connection,
    *,
    base: int | None,
    snapshot_id: int,
    project_id: int,
    features: ProjectFeatures,
    body: Body | None = None,
    content_sha256: bytes | None = None,
) -> None:
    """Commit the snapshot where the project's current one is ``base``. Raises SnapshotOutdated."""
    # Locked, so that no other commit comes between the comparison and ours.
    await db.execute("SELECT FROM projects WHERE id = $1 FOR NO KEY UPDATE", project_id)
    if await current(db, project_id) != base:
        raise SnapshotOutdated(project_id)
    await commit(
        db, snapshot_id=snapshot_id, project_id=project_id, features=features, body=body,
        content_sha256=content_sha256,
    )  # fmt: skip


async def pin(pool: Pool, lease: Lease) -> Pinned | None:
    """Give the snapshot that an export reads: the project's current one at the job's first attempt.

    The job's row names it from then on, so that it outlives an overwrite. None where the project has no
    content. Raises LeaseLost.
    """
    row = await pool.fetchrow(
        f"""WITH pinned AS (
                UPDATE jobs SET snapshot_id = coalesce(
                    snapshot_id, (SELECT p.snapshot_id FROM projects p WHERE p.id = project_id))
                WHERE id = $1 AND lease = $2 AND state = 'running' RETURNING snapshot_id AS id)
            SELECT pinned.id AS pinned, {body_runs.BODY},
                   EXISTS (SELECT FROM entries WHERE snapshot_id = pinned.id AND name = $3) AS has_lfs_index
            FROM pinned LEFT JOIN snapshots s ON s.id = pinned.id""",  # noqa: S608  # fixed texts
        lease.job_id, lease.token, LFS_INDEX,
    )  # fmt: skip
    if row is None:
        raise LeaseLost(lease.job_id)
    if row["pinned"] is None:
        return None
    return Pinned(row["pinned"], body_runs.body_of(row), has_lfs_index=row["has_lfs_index"])


async def name_exported(db: Connection, job_id: int, snapshot_id: int) -> None:
    """Have an export that ends name the snapshot that it has exported, in place of the pinned one."""
    await db.execute("UPDATE jobs SET snapshot_id = $2 WHERE id = $1", job_id, snapshot_id)


async def current(db: Database, project_id: int) -> int | None:
    """Give the project's current snapshot; None where it has no content."""
    snapshot_id: int | None = await db.fetchval("SELECT snapshot_id FROM projects WHERE id = $1", project_id)
    return snapshot_id


async def current_content(db: Database, project_id: int) -> CurrentContent | None:
    """Give the project's current content; None where the project is deleted."""
    row = await db.fetchrow(
        """SELECT p.snapshot_id, p.overrides, p.visibility, s.features
           FROM projects p LEFT JOIN snapshots s ON s.id = p.snapshot_id WHERE p.id = $1""",
        project_id,
    )
    if row is None:
        return None
    levels = row["features"] or {}
    return CurrentContent(
        snapshot_id=row["snapshot_id"],
        # A version that knew fewer features wrote fewer of them.
        features=ProjectFeatures.of(levels.get) if levels.keys() >= set(NAMES) else None,
        overrides=row["overrides"],
        visibility=Visibility(row["visibility"]),
    )


async def keep_features(db: Database, snapshot_id: int, features: ProjectFeatures) -> None:
    """Write the features of a snapshot into its row. May be repeated, as a snapshot never changes."""
    await db.execute("UPDATE snapshots SET features = $2 WHERE id = $1", snapshot_id, features.levels)
