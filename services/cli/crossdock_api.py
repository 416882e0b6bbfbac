"""A client of the jobs in Crossdock's own API, which a GitLab does not have."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import TypeVar
from uuid import uuid4

import msgspec
from msgspec import UNSET, UnsetType

from services.cli.client import GitLabClient, ObjectStats, ProjectReference, RelationFailure
from services.cli.http import retry_if_keyed
from services.cli.json_api import JsonApi

_NULL = msgspec.Raw(b"null")
_T = TypeVar("_T")

_UPLOADS = 100
"""Uploads of a project among which that of an export is looked for."""


class RelationCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of a relation: its bytes, its records (``lines``) and the lines that are not records."""

    bytes: int = 0
    lines: int
    failed: int


class LeftOutAnswer(msgspec.Struct, frozen=True):
    """The files of a relation that were left out by choice, and their bytes."""

    files: int
    bytes: int


class MissedAnswer(msgspec.Struct, frozen=True):
    """A relation that refers to one that was left out by choice."""

    relation: str
    refers_to: str


class SelectionAnswer(msgspec.Struct, frozen=True):
    """What was left out by choice, by relation, and who of the others refers to that."""

    left_out: Mapping[str, LeftOutAnswer] = {}
    missed: Sequence[MissedAnswer] = ()


class PartCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many files of a part an archive announces, and how many came; ``partial`` if there may be more."""

    announced: int
    came: int
    missing: int
    unannounced: int
    partial: bool


class JobProgress(msgspec.Struct, frozen=True, kw_only=True):
    """The progress that the worker of a job wrote last. ``bytes_total`` is 0 if unknown.

    Only imports from GitHub have ``stats``, and ``requests_left``, which is None if unknown. Only jobs with a
    selection of relations have a ``selection``, and only imports that have read all have ``contents``.
    """

    bytes_done: int = 0
    bytes_total: int = 0
    bytes_per_second: int | None = None
    remaining_seconds: int | None = None
    entries: int = 0
    relations: Mapping[str, RelationCounts] = {}
    notes: Mapping[str, int] = {}
    stats: ObjectStats | UnsetType = UNSET
    requests_left: int | UnsetType | None = UNSET
    selection: SelectionAnswer | UnsetType = UNSET
    contents: Mapping[str, PartCounts] | UnsetType = UNSET


class AttemptErrorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Why an attempt at a job ended; ``times`` in a row, where it did not count."""

    attempt: int
    code: str
    error: str
    at: datetime
    counts: bool = True
    times: int = 1


class ArchiveAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The archive of a job; ``sha256`` is None until somebody has read it whole."""

    size: int | None = None
    sha256: str | None = None


class UserOfJob(msgspec.Struct, frozen=True):
    """Who canceled a job, or a run."""

    id: int
    username: str
    name: str


class JobAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A job in the form of the API. Fields that the command line only passes on stay undecoded."""

    id: int
    kind: str
    parent_id: int | None = None
    state: str
    project: ProjectReference
    user_id: int | None = None
    canceled_by: UserOfJob | None = None
    retry_of: int | None = None
    retried_by: int | None = None
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
    errors: Sequence[AttemptErrorAnswer] | None = None
    progress: JobProgress
    timings: msgspec.Raw = _NULL
    outcome: msgspec.Raw = _NULL
    content_sha256: str | None = None
    archive: ArchiveAnswer | None = None


class RetriedJobAnswer(msgspec.Struct, frozen=True):
    """A job that failed, and the new job in its place."""

    id: int
    job_id: int


class RefusedJobAnswer(msgspec.Struct, frozen=True):
    """A job that failed, and why it cannot be retried."""

    id: int
    code: str
    error: str


class BulkRetryAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the failed jobs that match, of one call; ``next_before`` leads to more."""

    matched: Sequence[int]
    retried: Sequence[RetriedJobAnswer]
    refused: Sequence[RefusedJobAnswer]
    next_before: int | None


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
        return self._json_api.items("/jobs", JobAnswer, limit=limit, query=filters)

    async def newest_import(self, project: int) -> JobAnswer | None:
        """Return the newest import of a project, None if it has none."""
        filters = {"project": str(project), "kind": "import"}
        return next(iter([job async for job in self.list(limit=1, filters=filters)]), None)

    async def upload_of(self, export: int, project: int) -> JobAnswer | None:
        """Return the upload that an export has queued, of the newest of its project; None if it has none."""
        filters = {"project": str(project), "kind": "upload"}
        uploads = [job async for job in self.list(limit=_UPLOADS, filters=filters)]
        return next((job for job in uploads if job.parent_id == export), None)

    def failures(self, job: int) -> AsyncIterator[RelationFailure]:
        """Yield every record that an import left out, at most 100,000."""
        return self._json_api.items(f"/jobs/{job}/failures", RelationFailure)

    async def cancel(self, job: int) -> JobAnswer:
        """Cancel a job."""
        return await self._move(job, "cancel")

    async def retry(self, job: int) -> JobAnswer:
        """Retry a job and return the new job."""
        return await self._move(job, "retry")

    async def retry_failed(self, filters: Mapping[str, object]) -> BulkRetryAnswer:
        """Retry failed jobs, at most 100."""
        return await self._post("/jobs/retry", BulkRetryAnswer, json=dict(filters))

    async def _move(self, job: int, verb: str) -> JobAnswer:
        return await self._post(f"/jobs/{job}/{verb}", JobAnswer)

    async def _post(self, path: str, answer: type[_T], **options: object) -> _T:
        """POST with an idempotency key, so that retries take effect once."""
        headers = {"Idempotency-Key": str(uuid4())}
        done = await self._json_api.call("POST", path, answer, on=retry_if_keyed, headers=headers, **options)
        return done.body
