"""Jobs in the states that a page of the console shows, as a user's own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from shared.jobs import store as jobs
from shared.jobs.models import ImportOrder, Lease
from shared.jobs.pace import RATE
from shared.jobs.progress import Phase, Progress
from tests.support.forms import Part
from tests.support.instance import ARCHIVE, Instance
from tests.support.projects import ndjson, project

CUT = ARCHIVE[: len(ARCHIVE) // 2]
LEFT_OUT = project(issues=ndjson(b'{"title": "a", "iid": 1}', b'{"title": "b", "iid": 2}', b"[]", b"{no}"))


async def failed(gitlab: Instance, owner: str, path: str = "cut", *, archive: bytes = CUT) -> int:
    """A project whose import has failed."""
    answer = await gitlab.upload(Part("path", path), by=owner, file=Part("file", archive, "x.tar.gz"))
    assert (await gitlab.import_ended(answer.body["id"]))["import_status"] == "failed"
    number: int = answer.body["id"]
    return number


async def running(gitlab: Instance, owner: str, path: str = "large") -> Lease:
    """A job that runs as long as the test."""
    return await gitlab.held(await gitlab.project(owner, path), owner, ImportOrder())


async def moved(gitlab: Instance, lease: Lease, *, done: int, total: int, rate: int = 96_000_000) -> None:
    """Have the worker of a job tell how far it is, and how fast."""
    progress = Progress(bytes_done=done, bytes_total=total)
    progress.begin(Phase.READING)
    progress.relation("issues").lines = 118
    async with gitlab.pool.acquire() as db:
        await jobs.heartbeat(db, lease, ttl=timedelta(minutes=5), progress=progress.report() | {RATE: rate})


async def own(gitlab: Instance, path: str, *, by: str) -> Any:
    """GET below /api/crossdock/v1."""
    address, headers = f"{gitlab.url}/api/crossdock/v1{path}", {"PRIVATE-TOKEN": gitlab.tokens[by]}
    async with gitlab.session.get(address, headers=headers) as answer:
        return await answer.json()


async def many(gitlab: Instance, owner: str, number: int, *, path: str = "many") -> None:
    """That many failed jobs of one project."""
    project_id, user_id = await gitlab.project(owner, path), await gitlab.user_id(owner)
    await gitlab.pool.execute(
        """INSERT INTO jobs
               (kind, state, project_id, user_id, correlation_id, max_attempts, error, finished_at)
           SELECT 'export', 'failed', $1, $2, 'cid', 5, 'x', now() FROM generate_series(1, $3)""",
        project_id,
        user_id,
        number,
    )
