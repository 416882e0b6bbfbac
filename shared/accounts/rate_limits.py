"""GitLab's rate limits: requests within a fixed minute, counted in Postgres for all replicas."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.database.pool import Database, Pool
from shared.errors import TooMany


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """A user's use of a limit, counted under ``key``.

    ``reset_at`` is in seconds since 1970, ``wait`` in seconds from now.
    """

    name: str
    key: str
    limit: int
    used: int
    reset_at: int
    wait: int

    @property
    def is_over(self) -> bool:
        """Whether this use exceeded the limit."""
        return self.used > self.limit


class RateLimited(TooMany):
    """The limit is used up for this minute."""

    code = "rate_limited"

    def __init__(self, quota: Quota) -> None:
        super().__init__("This endpoint has been requested too many times. Try again later.", wait=quota.wait)
        self.quota = quota


@dataclass(frozen=True, slots=True)
class RateLimitUsage:
    """The limit of a minute, the uses so far, and when the minute ends; it begins with a request."""

    limit: int
    used: int
    reset_at: datetime | None


OnQuota = Callable[[Quota | None], None]
"""Called with the quota of each counted use, exceeded or not; with None where a use was uncounted."""


class RateLimits:
    """Counts uses by the database's clock; refused uses count too."""

    def __init__(self, pool: Pool, on_quota: OnQuota = lambda _: None) -> None:
        self._pool = pool
        self._on_quota = on_quota

    async def count(self, name: str, *of: int | str, limit: int) -> Quota | None:
        """Count a use of ``name`` by the user (and what else the limit is for); None where ``limit`` is 0.

        Raises RateLimited where the use exceeds ``limit`` a minute.
        """
        return self._judge(await _use(self._pool, name, of, limit=limit)) if limit else None

    async def count_file(self, name: str, user: int, project: int, *, is_part: bool, limit: int) -> None:
        """Count a use of ``name`` for the file of a project, by the user and the project.

        The parts of a file count once in a minute, which begins with the first request for it; a request
        for all of it counts each time. Raises RateLimited, as ``count`` does.
        """
        if not limit:
            return
        async with self._pool.acquire() as db, db.transaction():
            known = await _use(db, f"{name}_file", (user, project), limit=1)
            if is_part and known.is_over:
                return
            quota = await _use(db, name, (user, project), limit=limit)
            if quota.is_over:  # otherwise further parts would be free
                await _undo(db, known)
        self._judge(quota)

    def _judge(self, quota: Quota) -> Quota:
        self._on_quota(quota)
        if quota.is_over:
            raise RateLimited(quota)
        return quota

    async def uncount(self, quota: Quota | None) -> None:
        """Uncount a use that was counted before the request was read, and that turned out to be none."""
        if quota is None:
            return
        self._on_quota(None)
        await _undo(self._pool, quota)


def _key(name: str, of: Sequence[int | str]) -> str:
    return ":".join([name, *map(str, of)])


async def _use(db: Database, name: str, of: Sequence[int | str], *, limit: int) -> Quota:
    key = _key(name, of)
    row = await db.fetchrow(
        """INSERT INTO rate_limits AS r (key, window_end, used) VALUES ($1, now() + interval '1 minute', 1)
           ON CONFLICT (key) DO UPDATE SET
               used = CASE WHEN r.window_end <= now() THEN 1 ELSE r.used + 1 END,
               window_end = CASE WHEN r.window_end <= now() THEN excluded.window_end ELSE r.window_end END
           RETURNING used, ceil(extract(epoch FROM window_end))::bigint AS reset_at,
                     greatest(1, ceil(extract(epoch FROM window_end - now())))::int AS wait""",
        key,
    )
    assert row is not None  # noqa: S101  # an upsert ... RETURNING gives its row
    return Quota(name=name, key=key, limit=limit, **row)


async def _undo(db: Database, quota: Quota) -> None:
    await db.execute(
        "UPDATE rate_limits SET used = used - 1 WHERE key = $1 AND window_end > now() AND used > 0", quota.key
    )


async def read_usage(db: Database, name: str, *of: int, limit: int) -> RateLimitUsage:
    """Give a user's use of a limit, without counting one."""
    row = await db.fetchrow(
        "SELECT used, window_end FROM rate_limits WHERE key = $1 AND window_end > now()", _key(name, of)
    )
    return RateLimitUsage(limit, row["used"], row["window_end"]) if row else RateLimitUsage(limit, 0, None)
