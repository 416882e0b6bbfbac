"""GitLab's rate limits: so many requests within a fixed minute, counted in Postgres for all replicas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from services.api.dependencies import DEPENDENCIES
from services.api.http.errors import Refused
from shared.database.pool import Database

_TEXT = "This endpoint has been requested too many times. Try again later."


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """How a caller stands against a limit, counted by ``key``.

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
        """Whether this was one use too many."""
        return self.used > self.limit


_QUOTA = web.RequestKey("quota", Quota)


@dataclass(frozen=True, slots=True)
class Standing:
    """How often within a minute, how often so far, and when the minute ends; it begins with a request."""

    limit: int
    used: int
    reset_at: datetime | None


def _key(name: str, of: Sequence[int]) -> str:
    return ":".join([name, *map(str, of)])


async def count(request: web.Request, name: str, *of: int, limit: int) -> None:
    """Count a request against the limit ``name`` of a caller (and what else the limit is for).

    Raises 429 where it is one more than ``limit`` a minute (0 = off). Refused requests count too. The
    window is told by the database's clock.
    """
    if not limit:
        return
    dependencies = request.app[DEPENDENCIES]
    quota = await use(dependencies.pool, name, *of, limit=limit)
    request[_QUOTA] = quota
    if quota.is_over:
        dependencies.observer.limited(name)
    refuse_over(quota)


async def use(db: Database, name: str, *of: int, limit: int) -> Quota:
    """Count one more use of what is limited, whoever asks and by which way."""
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


def refuse_over(quota: Quota) -> None:
    """Raise 429 where it was one use too many."""
    if quota.is_over:
        raise Refused(429, {"error": _TEXT}, headers={"Retry-After": str(quota.wait)})


async def standing(db: Database, name: str, *of: int, limit: int) -> Standing:
    """Tell how a caller stands against a limit, without counting anything."""
    row = await db.fetchrow(
        "SELECT used, window_end FROM rate_limits WHERE key = $1 AND window_end > now()", _key(name, of)
    )
    return Standing(limit, row["used"], row["window_end"]) if row else Standing(limit, 0, None)


async def take_back(request: web.Request) -> None:
    """Uncount a request that was counted before it was read, and turned out not to be for the endpoint."""
    quota = request.get(_QUOTA)
    if quota is None:
        return
    del request[_QUOTA]
    await request.app[DEPENDENCIES].pool.execute(
        "UPDATE rate_limits SET used = used - 1 WHERE key = $1 AND window_end > now() AND used > 0",
        quota.key,
    )


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Tell on every answer to a limited request how its caller stands, by GitLab's names."""
    quota = request.get(_QUOTA)
    if quota is None:
        return
    response.headers["RateLimit-Name"] = quota.name
    response.headers["RateLimit-Limit"] = str(quota.limit)
    response.headers["RateLimit-Observed"] = str(quota.used)
    response.headers["RateLimit-Remaining"] = str(max(0, quota.limit - quota.used))
    response.headers["RateLimit-Reset"] = str(quota.reset_at)
