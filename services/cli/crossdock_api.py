"""A client of Crossdock's own API: jobs. A GitLab has none of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from uuid import uuid4

import msgspec

from services.cli.client import GitLabClient, ProjectReference, RelationFailure
from services.cli.http import retry_if_keyed
from services.cli.json_api import JsonApi

_NULL = msgspec.Raw(b"null")


class RelationCounts(msgspec.Struct, frozen=True, kw_only=True):
    """A relation: its bytes, and how many of its lines are records, and how many are not."""

    bytes: int = 0
    lines: int
    failed: int


class JobProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a job is, as its worker wrote it last; ``bytes_total`` is 0 where nobody knows."""

    bytes_done: int = 0
    bytes_total: int = 0
    bytes_per_second: int | None = None
    remaining_seconds: int | None = None
    entries: int = 0
    relations: Mapping[str, RelationCounts] = {}


class JobAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A job as the API tells it; what is only passed on stays as it came."""

    id: int
    kind: str
    state: str
    project: ProjectReference
    user_id: int | None = None
    correlation_id: str
    attempt: int
    max_attempts: int
    created_at: datetime
    due_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    lease: msgspec.Raw = _NULL
    error: str | None = None
    error_code: str | None = None
    progress: JobProgress
    timings: msgspec.Raw = _NULL
    outcome: msgspec.Raw = _NULL


class JobClient:
    """Calls about jobs, to the server of ``beside``. Every method raises RefusedByServer and Unreachable."""

    def __init__(self, beside: GitLabClient) -> None:
        self._json_api = JsonApi(beside.session, beside.api.removesuffix("/api/v4") + "/api/crossdock/v1")

    async def find(self, job: int) -> JobAnswer:
        """Give a job as it stands."""
        return (await self._json_api.call("GET", f"/jobs/{job}", JobAnswer)).body

    async def glance(self, job: int) -> JobAnswer:
        """Give a job as it stands; tried once."""
        return (await self._json_api.call_once("GET", f"/jobs/{job}", JobAnswer)).body

    def list(self, *, limit: int, filters: Mapping[str, str]) -> AsyncIterator[JobAnswer]:
        """Give the newest jobs that pass the filters, at most ``limit``."""
        return self._json_api.items("/jobs", JobAnswer, limit=limit, **filters)

    async def newest_import(self, project: int) -> JobAnswer | None:
        """Give the newest import of a project, None where it has none."""
        filters = {"project": str(project), "kind": "import"}
        return next(iter([job async for job in self.list(limit=1, filters=filters)]), None)

    def failures(self, job: int) -> AsyncIterator[RelationFailure]:
        """Give everything that an import left out; there are at most 100,000."""
        return self._json_api.items(f"/jobs/{job}/failures", RelationFailure)

    async def cancel(self, job: int) -> JobAnswer:
        """Cancel a job."""
        return await self._move(job, "cancel")

    async def retry(self, job: int) -> JobAnswer:
        """Have a job done again, and give the new one."""
        return await self._move(job, "retry")

    async def _move(self, job: int, verb: str) -> JobAnswer:
        """POST with a key, so that it takes effect once however often it is tried."""
        headers = {"Idempotency-Key": str(uuid4())}
        answer = await self._json_api.call(
            "POST", f"/jobs/{job}/{verb}", JobAnswer, on=retry_if_keyed, headers=headers
        )
        return answer.body
