"""Claims: a worker takes the next job of a kind, which the rule of fairness picks.

The next job is that of the user with the fewest running jobs; of several, of the user who was served longest
ago; of several, the oldest. Without the second rule, whoever ends a job would be next again where there are
fewer slots than users.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from asyncpg import LockNotAvailableError

from shared.database.pool import Connection, Pool, Row
from shared.jobs.models import Job, JobKind
from shared.jobs.states import Move, guard, target
from shared.jobs.store import JOB, job_of

_PATIENCE = timedelta(seconds=5)
"""How long a claim waits for the others of its kind, and how long it may pause: a frozen one blocks all."""

_PATIENCE_FOR_LOCKS = timedelta(milliseconds=200)
"""How long a claim waits for a locked job, while no other of its kind can be made."""

_CANDIDATES = 16
"""Jobs that a claim tries to lock, the best first: one that is being canceled is locked by its user."""

# Claims of a kind take turns: otherwise all try to lock the same row, and all but one go away empty. The plan
# is the same whatever is given, and to make it takes longer than a claim where few users wait.
_GATE = """SELECT set_config('lock_timeout', $2, true),
    set_config('idle_in_transaction_session_timeout', $2, true),
    set_config('plan_cache_mode', 'force_generic_plan', true),
    pg_advisory_xact_lock(hashtextextended('crossdock.claim.' || $1, 0))"""
_FIRST = """SELECT id, coalesce(user_id, 0) AS user_id, not_before FROM jobs
    WHERE state = 'queued' AND kind = $1"""
_BEST = "running, waited DESC NULLS FIRST"
_ORDER = "ORDER BY coalesce(user_id, 0), not_before, id LIMIT 1"
# Goes from user to user along the index jobs_claims, so that its costs grow with users, not with jobs. What a
# user has is looked up and not joined: Postgres cannot know how many users wait, and would join loop by loop.
_CLAIM = f"""WITH RECURSIVE waiting AS (
    ({_FIRST} {_ORDER})
    UNION ALL
    SELECT further.* FROM waiting w
    CROSS JOIN LATERAL ({_FIRST} AND coalesce(user_id, 0) > w.user_id {_ORDER}) further
), weights AS (
    SELECT u.id AS user_id, given.weight FROM unnest($5::text[], $6::float8[]) AS given (username, weight)
    JOIN users u ON lower(u.username) = lower(given.username)
), share AS (
    SELECT greatest(1, coalesce(sum(slots), 0) * $4 / 100.0) AS jobs FROM job_workers
    WHERE kind = $1 AND seen_at > statement_timestamp() - $3::interval
), claims AS (
    SELECT coalesce(max(last_claim), 0) + 1 AS this FROM job_turns WHERE kind = $1
), ranked AS (
    SELECT w.id, has.running / coalesce(g.weight, 1) AS running,
        (c.this - has.last_claim) * coalesce(g.weight, 1) AS waited
    FROM waiting w CROSS JOIN claims c CROSS JOIN share CROSS JOIN LATERAL (SELECT
        (SELECT count(*) FROM jobs
         WHERE state = 'running' AND kind = $1 AND coalesce(user_id, 0) = w.user_id) AS running,
        (SELECT last_claim FROM job_turns t WHERE t.kind = $1 AND t.user_id = w.user_id) AS last_claim
        OFFSET 0) has
    LEFT JOIN weights g USING (user_id)
    WHERE w.not_before <= statement_timestamp() AND has.running < share.jobs
    ORDER BY {_BEST}, w.id LIMIT {_CANDIDATES}
), picked AS (
    SELECT j.id, coalesce(j.user_id, 0) AS user_id FROM jobs j JOIN ranked USING (id)
    WHERE j.{guard(Move.CLAIM)} ORDER BY {_BEST}, j.id LIMIT 1 FOR NO KEY UPDATE OF j SKIP LOCKED
), served AS (
    INSERT INTO job_turns (kind, user_id, last_claim) SELECT $1, user_id, this FROM picked, claims
    ON CONFLICT (kind, user_id) DO UPDATE SET last_claim = excluded.last_claim
), claimed AS (
    UPDATE jobs SET state = {target(Move.CLAIM)}, worker = $2, lease = lease + 1, attempt = attempt + 1,
        lease_expires_at = statement_timestamp() + $3,
        started_at = coalesce(started_at, statement_timestamp())
    WHERE id = (SELECT id FROM picked) RETURNING {JOB}
)
SELECT claimed.*, EXISTS (SELECT FROM ranked) AS any_due FROM (VALUES (1)) one LEFT JOIN claimed ON true"""  # noqa: S608  # fixed texts
_CLAIM_LOCKED = _CLAIM.replace(" SKIP LOCKED", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How the slots of a kind are shared.

    A user may run at most ``percent`` of all slots, rounded up: 90 % of less than ten are all. The weight of
    a user, by name, says how many jobs of theirs run for one of a user of weight 1, that of all others.
    """

    percent: int = 90
    weights: Mapping[str, float] = field(default_factory=dict)


async def claim_next(pool: Pool, kind: JobKind, *, worker: str, ttl: timedelta, shares: Shares) -> Job | None:
    """Claim the next due job of a kind, for ``ttl``; return None if no job may be claimed now.

    Raises LockNotAvailableError if other claims of the kind take longer than 5 seconds.
    """
    names, weights = list(shares.weights), list(shares.weights.values())
    given = kind.value, worker, ttl, shares.percent, names, weights
    async with pool.acquire() as db, db.transaction():
        # A statement of its own: the claim sees all before it.
        await db.execute(_GATE, kind.value, _milliseconds(_PATIENCE))
        row = await db.fetchrow(_CLAIM, *given)
        if row and row["id"] is None and row["any_due"]:
            row = await _claim_locked(db, given)
    # After the commit: a row that cannot be read must not come first for ever.
    return job_of(row) if row and row["id"] is not None else None


async def _claim_locked(db: Connection, given: Sequence[object]) -> Row | None:
    """Claim a job that others lock: who publishes its wake-up does so for a moment after the worker has it.

    The wake-up is used up by this claim, so that the job would wait for the next look of an idle worker.
    """
    await db.execute("SELECT set_config('lock_timeout', $1, true)", _milliseconds(_PATIENCE_FOR_LOCKS))
    try:
        async with db.transaction():
            return await db.fetchrow(_CLAIM_LOCKED, *given)
    except LockNotAvailableError:
        return None


def _milliseconds(span: timedelta) -> str:
    return str(span // timedelta(milliseconds=1))
