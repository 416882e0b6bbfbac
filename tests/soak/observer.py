"""Looks at everything that is there once a soak has ended: rows, contents, objects, locks."""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import aiohttp

from shared.database.pool import Pool
from shared.ledger.collector import Collector
from shared.storage.base import ObjectStore
from tests.soak import archives
from tests.soak.plan import Wish
from tests.soak.record import Seen, SeenJob, SeenProject
from tests.soak.users import fetch
from tests.support.objects import keys
from tests.support.receivers import Upload

_JOBS = """
WITH told AS (
    SELECT *, split_part(name, '.', 1) AS kind, split_part(name, '.', 2) AS move FROM events
)
SELECT job_id AS id, min(kind) AS kind, min(project_id) AS project, min(correlation_id) AS correlation,
       max((data -> 'job' ->> 'attempt')::int) AS attempts,
       coalesce(array_agg(move ORDER BY id) FILTER (WHERE move IN ('finished', 'failed', 'canceled')), '{}')
           AS ends,
       coalesce(max(data ->> 'error') FILTER (WHERE move = 'failed'), '') AS error
FROM told GROUP BY job_id ORDER BY max(id)
"""
_UNENDED = "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')"
_COUNTS = {
    "leases": "SELECT count(*) FROM jobs WHERE lease_expires_at IS NOT NULL",
    "locks": """SELECT (SELECT count(*) FROM pg_locks WHERE waitstart < now() - interval '5 s')
                + (SELECT count(*) FROM pg_stat_activity WHERE xact_start < now() - interval '5 s'
                   AND backend_type = 'client backend')""",
    "keys": "SELECT count(*) FROM idempotency_keys WHERE status IS NULL AND locked_until > now()",
}
_AT_ONCE = 4
_PATIENCE = 60
_PAUSE = 0.2


@dataclass(frozen=True, slots=True)
class Observer:
    """Looks by the API at ``url``, and by the database and the store themselves."""

    session: aiohttp.ClientSession
    url: str
    pool: Pool
    store: ObjectStore

    async def until_ended(self, *, seconds: float) -> None:
        """Wait until no job is under way and no key is held, or until so many seconds are over."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while loop.time() < until:
            if not await self.pool.fetchval(_UNENDED) and not await self.pool.fetchval(_COUNTS["keys"]):
                return
            await asyncio.sleep(_PAUSE)

    async def see(self, wishes: Sequence[Wish], taken: Sequence[Upload], deaths: Sequence[str]) -> Seen:
        """Look at everything, and collect what may be collected."""
        counts = {name: await self.pool.fetchval(query) for name, query in _COUNTS.items()}
        jobs = [_job(row) for row in await self.pool.fetch(_JOBS)]
        projects = await self._projects({wish.number: wish for wish in wishes})
        await self._collect()
        stored, named = set(await keys(self.store)), await self._named()
        return Seen(
            jobs=jobs, projects=projects, uploads=_uploads(taken), deaths=deaths,
            orphans=sorted(stored - named.keys()),
            lost=sorted(key for key, state in named.items() if state == "stored" and key not in stored),
            **counts,
        )  # fmt: skip

    async def _projects(self, wishes: dict[int, Wish]) -> list[SeenProject]:
        rows = await self.pool.fetch(
            "SELECT id, path, snapshot_id IS NOT NULL AS has_content FROM projects ORDER BY id"
        )
        limit = asyncio.Semaphore(_AT_ONCE)

        async def look(found: SeenProject) -> SeenProject:
            if not found.has_content:
                return found
            async with limit:
                return replace(found, holds=await self._number(found.id, wishes))

        return await asyncio.gather(*(look(SeenProject(**row)) for row in rows))

    async def _number(self, project: int, wishes: dict[int, Wish]) -> int | None:
        """Export a project, and tell whose archive it is; None where it is none, or not whole."""
        exported = await self._exported(f"{self.url}/api/v4/projects/{project}/export")
        wish = wishes.get(archives.number_of(exported)) if exported else None
        if exported is None or wish is None:
            return None
        return wish.number if archives.is_whole(exported, wish.number, mib=wish.mib) else None

    async def _exported(self, url: str) -> bytes | None:
        async with self.session.post(url):
            pass
        for _ in range(int(_PATIENCE / _PAUSE)):
            async with self.session.get(url) as answer:
                if (await answer.json())["export_status"] == "finished":
                    return await fetch(self.session, f"{url}/download")
            await asyncio.sleep(_PAUSE)
        return None

    async def _collect(self) -> None:
        """Collect all that nothing needs any more, as if each job had ended more than a day ago."""
        await self.pool.execute("UPDATE jobs SET finished_at = finished_at - interval '1 day'")
        collector = Collector(self.pool, self.store, grace=timedelta(0))
        while await collector.collect_snapshots():
            pass
        for _ in range(2):  # the first marks
            await self.pool.execute("UPDATE suspects SET due_at = now()")
            while await collector.collect_objects():
                pass

    async def _named(self) -> dict[str, str]:
        rows = await self.pool.fetch("SELECT key, state FROM objects")
        return {row["key"]: row["state"] for row in rows}


def _job(row: object) -> SeenJob:
    given = dict(row)  # type: ignore[call-overload]  # a row of asyncpg is a mapping
    return SeenJob(**{**given, "ends": tuple(given["ends"])})


def _uploads(taken: Sequence[Upload]) -> dict[str, list[str]]:
    found = defaultdict(list)
    for each in taken:
        found[each.target].append(hashlib.sha256(each.body).hexdigest())
    return found
