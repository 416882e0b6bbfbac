"""Claims: a worker takes the next job of a kind, which the rule of fairness picks.

The next job is that of the user with the fewest running jobs; of several, of the user who was served longest
ago; of several, the oldest. Without the second rule, whoever ends a job would be next again where there are
fewer slots than users.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from shared.database.pool import Pool
from shared.jobs.models import Job, JobKind
from shared.jobs.states import Move, guard, target
from shared.jobs.store import JOB, job_of

_PATIENCE = timedelta(seconds=5)
"""How long a claim waits for the others of its kind, and how long it may pause: a frozen one blocks all."""

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
)
UPDATE jobs SET state = {target(Move.CLAIM)}, worker = $2, lease = lease + 1, attempt = attempt + 1,
    lease_expires_at = statement_timestamp() + $3, started_at = coalesce(started_at, statement_timestamp())
WHERE id = (SELECT id FROM picked) RETURNING {JOB}"""  # noqa: S608  # fixed texts


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
    patience = str(_PATIENCE // timedelta(milliseconds=1))
    names, weights = list(shares.weights), list(shares.weights.values())
    async with pool.acquire() as db, db.transaction():
        await db.execute(_GATE, kind.value, patience)  # a statement of its own: the claim sees all before it
        row = await db.fetchrow(_CLAIM, kind.value, worker, ttl, shares.percent, names, weights)
    # After the commit: a row that cannot be read must not come first for ever.
    return job_of(row) if row else None
