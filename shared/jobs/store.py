"""Jobs in Postgres. Every move is one guarded UPDATE; the clock is the database's.

Functions take a pool, or the connection of a transaction that does more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, assert_never

import msgspec

from shared.database.pool import Database, Row
from shared.errors import LeaseLost
from shared.jobs.models import (
    AttemptError,
    BackupOrder,
    ExportOrder,
    ImportOrder,
    Job,
    JobKind,
    JobOrder,
    JobReport,
    JobState,
    Lease,
    Outcome,
    PeerExportOrder,
    RelationImportOrder,
    SourceForm,
    UnknownKind,
    UnknownOrder,
    UploadOrder,
)
from shared.jobs.states import Move, guard, target
from shared.tracing.context import current_traceparent

_ORDERS: dict[JobKind, type[JobOrder]] = {
    JobKind.IMPORT: ImportOrder,
    JobKind.EXPORT: ExportOrder,
    JobKind.RELATION_IMPORT: RelationImportOrder,
    JobKind.UPLOAD: UploadOrder,
    JobKind.BACKUP: BackupOrder,
    JobKind.REMOTE_IMPORT: ImportOrder,
    JobKind.SMALL_IMPORT: ImportOrder,
    JobKind.GIT_IMPORT: ImportOrder,
    JobKind.GITHUB_IMPORT: ImportOrder,
    JobKind.PEER_IMPORT: ImportOrder,
    JobKind.PEER_EXPORT: PeerExportOrder,
}
_KINDS_BY_NAME = {kind.value: kind for kind in JobKind}
_KINDS_BY_FORM = {
    SourceForm.ARCHIVE: JobKind.REMOTE_IMPORT,
    SourceForm.GIT: JobKind.GIT_IMPORT,
    SourceForm.GITHUB: JobKind.GITHUB_IMPORT,
    SourceForm.PEER: JobKind.PEER_IMPORT,
}
ADDRESS = "coalesce(payload #>> '{source,url}', payload #>> '{upload,url}')"
"""SQL for the address in an order, sealed; the index jobs_addresses has the jobs where it is not null."""

FORGOTTEN = """((payload - 'source' - 'upload') || jsonb_build_object(
    'forgotten', coalesce(jsonb_typeof(payload->'source') = 'object', false)
                 OR coalesce(jsonb_typeof(payload->'upload') = 'object', false)))"""
"""SQL for an order without the address to download from or upload to, which is a secret.

Whether there were any is kept.
"""

_ENDED = "lease_expires_at = NULL, finished_at = now()"
_NO_ERROR = "error = NULL, error_code = NULL"
_BACK = "lease_expires_at = NULL, published_at = NULL"
_HANDED_BACK = (
    f"state = {target(Move.HAND_BACK)}, {_BACK}, {_NO_ERROR}, attempt = attempt - 1, not_before = now()"
)
_LONGEST_ERROR = 2000
_MOST_ERRORS = 20
_LONGEST_OF_ATTEMPT = 500
"""How many errors of its attempts a job keeps, and how many characters of each."""

_LONGEST_PAUSE = timedelta(seconds=30)
"""The longest pause between two statements of a transaction that holds a job.

A process that is silent for longer is frozen or cut off, and loses the transaction.
"""
_PLAIN = (
    "id", "project_id", "user_id", "correlation_id", "traceparent", "object_id", "upload_id", "parent_id",
    "attempt", "max_attempts", "lease", "error", "error_code", "created_at", "started_at", "finished_at",
)  # fmt: skip
_TIMES = ("created_at", "started_at", "finished_at")
REPORTED = (*_PLAIN, "kind", "state", "payload", "outcome", "not_before", "worker", "lease_expires_at")
"""The columns of a report, except for the progress, which may be long."""

JOB = ", ".join((*_PLAIN, "kind", "state", "payload"))
"""The columns of a job. Named: a migration that adds one makes every prepared ``SELECT *`` fail once."""

_SIZED = f"""CASE WHEN $1 = '{JobKind.IMPORT.value}' AND coalesce(
    (SELECT size FROM objects WHERE id = $6), (SELECT size FROM uploads WHERE id = $11)) <= $10
    THEN '{JobKind.SMALL_IMPORT.value}' ELSE $1 END"""  # noqa: S608  # fixed texts
"""SQL for the kind of a new job."""

_REPORT = ", ".join((
    *REPORTED, "progress", "errors", "archive_of_job(jobs) AS archive",
    "content_of_job(jobs) AS content_sha256",
))  # fmt: skip
_FIND = f"SELECT {JOB} FROM jobs WHERE"  # noqa: S608  # fixed texts
_OF_PROJECT = f"{_FIND} project_id = $1 AND former_project_id IS NULL"
_FIND_REPORT = f"SELECT {_REPORT}, now() AS read_at FROM jobs WHERE id = $1"  # noqa: S608  # fixed texts


def job_of_document(document: Mapping[str, Any]) -> Job:
    """Make the job of a row that has the columns ``JOB``, as JSON."""
    times = {name: datetime.fromisoformat(document[name]) for name in _TIMES if document[name]}
    return job_of({**document, **times})


def job_of(row: Row | Mapping[str, Any]) -> Job:
    """Make the job of a row that has the columns ``JOB``."""
    kind = _KINDS_BY_NAME.get(row["kind"])
    return Job(
        kind=kind or UnknownKind(row["kind"]),
        state=JobState(row["state"]),
        order=msgspec.convert(row["payload"], _ORDERS[kind]) if kind else UnknownOrder(),
        has_forgotten=row["payload"].get("forgotten", False),
        **{name: row[name] for name in _PLAIN},
    )


def kind_of(order: JobOrder) -> JobKind:
    """Return the kind of a job that is queued with this order, and whose archive is not small."""
    match order:
        case ImportOrder():
            return JobKind.IMPORT if order.source is None else _KINDS_BY_FORM[order.source.form]
        case ExportOrder():
            return JobKind.EXPORT
        case RelationImportOrder():
            return JobKind.RELATION_IMPORT
        case UploadOrder():
            return JobKind.UPLOAD
        case PeerExportOrder():
            return JobKind.PEER_EXPORT
        case BackupOrder():
            return JobKind.BACKUP
        case UnknownOrder():
            raise TypeError(order)
        case _:
            assert_never(order)


async def enqueue(  # noqa: PLR0913  # the columns of a job
    db: Database,
    order: JobOrder,
    *,
    project_id: int,
    user_id: int,
    correlation_id: str,
    object_id: int | None = None,
    upload_id: int | None = None,
    parent_id: int | None = None,
    retry_of: int | None = None,
    max_attempts: int = 5,
    traceparent: str | None = None,
    small: int = 0,
) -> Job:
    """Insert a queued job. Once that is committed, the caller publishes its wake-up, or else the sweeper.

    It belongs to the trace of ``traceparent``, or to the current one. An import whose object or upload has at
    most ``small`` bytes is a small one. ``retry_of`` is forgotten where that job was removed in the meantime.
    """
    row = await db.fetchrow(
        f"""INSERT INTO jobs (kind, project_id, user_id, correlation_id, payload, object_id, parent_id,
                              max_attempts, traceparent, upload_id, retry_of)
            VALUES ({_SIZED}, $2, $3, $4, $5, $6, $7, $8, $9, $11,
                    (SELECT id FROM jobs WHERE id = $12 FOR KEY SHARE)) RETURNING {JOB}""",  # noqa: S608  # fixed texts
        kind_of(order).value, project_id, user_id, correlation_id, msgspec.to_builtins(order), object_id,
        parent_id, max_attempts, traceparent or current_traceparent(), small, upload_id, retry_of,
    )  # fmt: skip
    assert row is not None  # noqa: S101  # an INSERT ... RETURNING gives its row
    return job_of(row)


async def find(db: Database, job_id: int) -> Job | None:
    """Find a job by its id."""
    row = await db.fetchrow(f"{_FIND} id = $1", job_id)
    return job_of(row) if row else None


async def find_report(db: Database, job_id: int) -> JobReport | None:
    """Find a job by its id, with its progress and outcome."""
    row = await db.fetchrow(_FIND_REPORT, job_id)
    return None if row is None else report_of(row)


def report_of(row: Row) -> JobReport:
    """Make the report of a row that also has ``archive``, ``content_sha256`` and ``read_at``.

    The row of a list has no ``errors``.
    """
    return JobReport(
        job=job_of(row),
        progress=row["progress"],
        outcome=None if row["outcome"] is None else msgspec.convert(row["outcome"], Outcome),
        archive=row["archive"],
        content_sha256=row["content_sha256"],
        errors=msgspec.convert(row.get("errors"), list[AttemptError] | None),
        due_at=row["not_before"],
        worker=row["worker"],
        lease_expires_at=row["lease_expires_at"],
        read_at=row["read_at"],
    )


async def find_newest(
    db: Database, project_id: int, *kinds: JobKind, user_id: int | None = None
) -> Job | None:
    """Find the newest job of these kinds, of ``user_id`` or, for None, of any user."""
    row = await db.fetchrow(
        f"""{_OF_PROJECT} AND kind = ANY($2) AND ($3::bigint IS NULL OR user_id = $3)
           ORDER BY id DESC LIMIT 1""",
        project_id, [kind.value for kind in kinds], user_id,
    )  # fmt: skip
    return job_of(row) if row else None


async def list_unfinished(db: Database, project_id: int, *kinds: JobKind, user_id: int) -> list[Job]:
    """List the jobs of these kinds that a user requested and that have not ended, the oldest first."""
    rows = await db.fetch(
        f"""{_FIND} project_id = $1 AND kind = ANY($2) AND user_id = $3 AND finished_at IS NULL
           ORDER BY id""",
        project_id, [kind.value for kind in kinds], user_id,
    )  # fmt: skip
    return [job_of(row) for row in rows]


async def list_all(db: Database, project_id: int, kind: JobKind) -> list[Job]:
    """List every job of that kind of a project, the oldest first."""
    rows = await db.fetch(f"{_OF_PROJECT} AND kind = $2 ORDER BY id", project_id, kind.value)
    return [job_of(row) for row in rows]


async def heartbeat(db: Database, lease: Lease, *, ttl: timedelta, progress: Mapping[str, object]) -> None:
    """Prolong the lease and write the progress. Raises LeaseLost.

    Raises LockNotAvailableError, without waiting, where a transaction holds the job.
    """
    beaten = await db.fetchval(
        """UPDATE jobs SET lease_expires_at = now() + $3, progress = $4
           WHERE id = (SELECT id FROM jobs WHERE id = $1 AND lease = $2 AND state = 'running'
                       FOR NO KEY UPDATE NOWAIT) RETURNING true""",
        lease.job_id, lease.token, ttl, dict(progress),
    )  # fmt: skip
    if not beaten:
        raise LeaseLost(lease.job_id)


async def finish(
    db: Database, lease: Lease, *, progress: Mapping[str, object], outcome: Outcome | None = None
) -> None:
    """Move a job to finished, and forget the address of its order. Raises LeaseLost."""
    change = f"""state = {target(Move.FINISH)}, {_ENDED}, payload = {FORGOTTEN}, {_NO_ERROR},
                 progress = $3, outcome = $4"""
    told = None if outcome is None else msgspec.to_builtins(outcome)
    await _move(db, lease, change, dict(progress), told)


def with_error(error: str, code: str, *, counts: bool) -> str:
    """Give the SQL for a job's errors with that of its present attempt, of which these two are the SQL.

    Attempts that do not count have the same number: an error with the code of the last one takes its place.
    """
    again = f"(errors -> -1 -> 'attempt') = to_jsonb(attempt) AND errors -> -1 ->> 'code' = {code}::text"
    added = f"""jsonb_build_object(
        'attempt', attempt, 'code', {code}::text, 'error', left({error}::text, {_LONGEST_OF_ATTEMPT}),
        'at', now(), 'counts', {str(counts).lower()},
        'times', CASE WHEN {again} THEN (errors -> -1 -> 'times')::int + 1 ELSE 1 END)"""
    all_ = f"(CASE WHEN {again} THEN errors - -1 ELSE errors END) || {added}"
    return f"""(SELECT jsonb_agg(each ORDER BY number) FROM (
        SELECT each, number FROM jsonb_array_elements({all_}) WITH ORDINALITY AS every (each, number)
        ORDER BY number DESC LIMIT {_MOST_ERRORS}) newest)"""  # noqa: S608  # fixed texts


_ERROR = "error = $3, error_code = $4, errors = " + with_error("$3", "$4", counts=True)


async def fail(db: Database, lease: Lease, *, error: str, code: str) -> None:
    """Move a job to failed, with the error that its user reads, and its code. Raises LeaseLost."""
    change = f"state = {target(Move.FAIL)}, {_ENDED}, {_ERROR}"
    await _move(db, lease, change, _storable(error), code)


async def retry(db: Database, lease: Lease, *, error: str, code: str, delay: timedelta) -> None:
    """Queue a job again, due after ``delay``. Raises LeaseLost."""
    change = f"state = {target(Move.RETRY)}, {_BACK}, {_ERROR}, not_before = now() + $5"
    await _move(db, lease, change, _storable(error), code, delay)


async def postpone(db: Database, lease: Lease, *, error: str, code: str, delay: timedelta | None) -> None:
    """Queue a job again, as a server of ours is away: the attempt does not count. Raises LeaseLost.

    It is due after ``delay``, and behind what is due before that; without one it keeps its place.
    """
    change = f"""state = {target(Move.POSTPONE)}, {_BACK}, error = $3, error_code = $4,
                 errors = {with_error("$3", "$4", counts=False)}, attempt = attempt - 1,
                 not_before = coalesce(now() + $5::interval, not_before)"""
    await _move(db, lease, change, _storable(error), code, delay)


async def hand_back(db: Database, lease: Lease) -> None:
    """Queue a job again, due now, as its worker stops: the attempt does not count. Raises LeaseLost."""
    await _move(db, lease, _HANDED_BACK)


async def hand_back_unknown(db: Database, kind: JobKind, *, worker: str, but: Sequence[int]) -> list[int]:
    """Hand back the jobs of a kind that a worker has claimed without knowing, and return their ids.

    It knows of those in ``but``.
    """
    rows = await db.fetch(
        f"""UPDATE jobs SET {_HANDED_BACK}
            WHERE kind = $1 AND worker = $2 AND id <> ALL ($3) AND {guard(Move.HAND_BACK)} RETURNING id""",  # noqa: S608  # fixed texts
        kind.value, worker, list(but),
    )  # fmt: skip
    return [row["id"] for row in rows]


async def find_end(db: Database, lease: Lease) -> JobState | None:
    """Find the state of a job that has left ``running`` since it had that lease; None where it has not.

    None also where somebody else has claimed it since, or it is gone.
    """
    state = await db.fetchval(
        "SELECT state FROM jobs WHERE id = $1 AND lease = $2 AND state <> 'running'",
        lease.job_id, lease.token,
    )  # fmt: skip
    return None if state is None else JobState(state)


def _storable(error: str) -> str:
    """Escape what Postgres cannot store in text: a job whose error cannot be written would never end."""
    return error.encode(errors="backslashreplace").decode().replace("\0", "\\0")[:_LONGEST_ERROR]


async def _move(db: Database, lease: Lease, change: str, *values: object) -> None:
    moved = await db.fetchval(
        f"UPDATE jobs SET {change} WHERE id = $1 AND lease = $2 AND state = 'running' RETURNING id",  # noqa: S608  # fixed texts only
        lease.job_id, lease.token, *values,
    )  # fmt: skip
    if moved is None:
        raise LeaseLost(lease.job_id)


async def cancel(db: Database, job_id: int, *, by: int | None = None) -> bool:
    """Cancel a job; False where it has ended. Its worker notices at the next heartbeat.

    ``by`` is the user who does that, None where the system does.
    """
    return bool(
        await db.fetchval(
            f"""UPDATE jobs SET state = {target(Move.CANCEL)}, {_ENDED}, canceled_by = $2
                WHERE id = $1 AND {guard(Move.CANCEL)} RETURNING true""",  # noqa: S608  # made of the move table
            job_id, by,
        )
    )  # fmt: skip


async def hold(db: Database, lease: Lease) -> None:
    """Lock the job's row for the rest of the transaction. Raises LeaseLost.

    Whatever the transaction writes after this is committed by the holder of the lease, or not at all. The
    database ends the transaction of a process that pauses in it for too long.
    """
    if not await db.fetchval(
        """SELECT set_config('idle_in_transaction_session_timeout', $3, true)
           FROM jobs WHERE id = $1 AND lease = $2 AND state = 'running' FOR UPDATE""",
        lease.job_id, lease.token, str(_LONGEST_PAUSE // timedelta(milliseconds=1)),
    ):  # fmt: skip
        raise LeaseLost(lease.job_id)
