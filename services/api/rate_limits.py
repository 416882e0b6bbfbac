"""GitLab's rate limits: so many requests within a fixed minute, counted in Postgres for all replicas."""

from __future__ import annotations

from services.api.errors import Refused
from shared.database.pool import Database

_TEXT = "This endpoint has been requested too many times. Try again later."


async def count(db: Database, key: str, *, limit: int) -> None:
    """Count a request against ``key``; raises 429 where it is one more than ``limit`` a minute (0 = off).

    Refused requests count too. The window is told by the database's clock.
    """
    if not limit:
        return
    row = await db.fetchrow(
        """INSERT INTO rate_limits AS r (key, window_end, used) VALUES ($1, now() + interval '1 minute', 1)
           ON CONFLICT (key) DO UPDATE SET
               used = CASE WHEN r.window_end <= now() THEN 1 ELSE r.used + 1 END,
               window_end = CASE WHEN r.window_end <= now() THEN excluded.window_end ELSE r.window_end END
           RETURNING used, greatest(1, ceil(extract(epoch FROM window_end - now())))::int AS seconds""",
        key,
    )
    assert row is not None  # noqa: S101  # an upsert ... RETURNING gives its row
    if row["used"] > limit:
        raise Refused(429, {"error": _TEXT}, headers={"Retry-After": str(row["seconds"])})
