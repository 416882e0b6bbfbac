"""A client of the jobs in Crossdock's own API, which a GitLab does not have."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from uuid import uuid4

import msgspec

from services.cli.client import GitLabClient, ProjectReference, RelationFailure
from services.cli.http import retry_if_keyed
from services.cli.json_api import JsonApi

_NULL = msgspec.Raw(b"null")


class RelationCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of a relation: its bytes, its records (``lines``) and the lines that are not records."""

    bytes: int = 0
    lines: int
    failed: int


class JobProgress(msgspec.Struct, frozen=True, kw_only=True):
    """The progress that the worker of a job wrote last. ``bytes_total`` is 0 if unknown."""

    bytes_done: int = 0
    bytes_total: int = 0
    bytes_per_second: int | None = None
    remaining_seconds: int | None = None
    entries: int = 0
    relations: Mapping[str, RelationCounts] = {}


class JobAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A job in the form of the API. Fields that the command line only passes on stay undecoded."""
class AttemptErrorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Why an attempt at a job ended; ``times`` in a row, where it did not count."""

    attempt: int
    code: str
    error: str
    at: datetime
    counts: bool = True
    times: int = 1



    id: int
    kind: str
    parent_id: int | None = None
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
    errors: Sequence[AttemptErrorAnswer] | None = None
    outcome: msgspec.Raw = _NULL


class JobClient:
    """Calls the job API of the server of ``gitlab``.

    Every method raises RefusedByServer and ServerUnreachable.
    """

    def __init__(self, gitlab: GitLabClient) -> None:
        self._json_api = JsonApi(gitlab.session, gitlab.api.removesuffix("/api/v4") + "/api/crossdock/v1")

    async def find(self, job: int) -> JobAnswer:
        """Return a job."""
        return (await self._json_api.call("GET", f"/jobs/{job}", JobAnswer)).body

    async def glance(self, job: int) -> JobAnswer:
        """Return a job, without retries."""
        return (await self._json_api.call_once("GET", f"/jobs/{job}", JobAnswer)).body

    def list(self, *, limit: int, filters: Mapping[str, str]) -> AsyncIterator[JobAnswer]:
        """Yield the newest jobs that match the filters, at most ``limit``."""
        return self._json_api.items("/jobs", JobAnswer, limit=limit, **filters)

    async def newest_import(self, project: int) -> JobAnswer | None:
        """Return the newest import of a project, None if it has none."""
        filters = {"project": str(project), "kind": "import"}
        return next(iter([job async for job in self.list(limit=1, filters=filters)]), None)

    def failures(self, job: int) -> AsyncIterator[RelationFailure]:
        """Yield every record that an import left out, at most 100,000."""
        return self._json_api.items(f"/jobs/{job}/failures", RelationFailure)

    async def cancel(self, job: int) -> JobAnswer:
        """Cancel a job."""
        return await self._move(job, "cancel")

    async def retry(self, job: int) -> JobAnswer:
        """Retry a job and return the new job."""
        return await self._move(job, "retry")

    async def _move(self, job: int, verb: str) -> JobAnswer:
        """POST with an idempotency key, so that retries take effect once."""
        headers = {"Idempotency-Key": str(uuid4())}
        answer = await self._json_api.call(
            "POST", f"/jobs/{job}/{verb}", JobAnswer, on=retry_if_keyed, headers=headers
        )
        return answer.body
