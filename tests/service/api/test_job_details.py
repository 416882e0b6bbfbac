from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.accounts.models import AccessLevel
from shared.jobs import store as jobs
from shared.jobs.models import (
    ExportOrder,
    ImportOrder,
    Job,
    JobKind,
    JobOrder,
    RelationImportOrder,
    RemoteSource,
    UploadOrder,
    UploadTarget,
)
from shared.ledger import objects
from tests.support.api import EXTERNAL_URL, Api

FAILED = """INSERT INTO failed_relations
                (job_id, lease, relation, line_number, source, exception_class, exception_message)
            SELECT $1, $2, 'issues', n, 's', 'c', 'm' FROM generate_series(1, $3) n"""
WAITING = """INSERT INTO jobs (kind, project_id, user_id, correlation_id, max_attempts)
             SELECT 'export', $1, $2, 'c', 5 FROM generate_series(1, 1000)"""
FILLED = """WITH made AS (INSERT INTO snapshots (project_id, committed_at) VALUES ($1, now()) RETURNING id)
            UPDATE projects SET snapshot_id = (SELECT id FROM made) WHERE id = $1"""


async def _show(api: Api, job: Job, *, by: str = "ann") -> Any:
    """A job, which its line in a list tells of as well."""
    answer = await api.call("GET", f"/api/crossdock/v1/jobs/{job.id}", by=by)
    listed = await api.call("GET", "/api/crossdock/v1/jobs", by=by)
    assert (answer.status, listed.status) == (200, 200)
    (line,) = [each for each in listed.body if each["id"] == job.id]
    for varying in ("errors", "progress", "timings"):  # of which a list has less, or the time of the answer
        del line[varying], answer.body[varying]
    assert line == answer.body
    return answer.body


async def _uploaded(api: Api, order: JobOrder) -> Job:
    """A job with a stored archive."""
    ann = await api.user("ann")
    project = await api.project(ann)
    made = await objects.register(api.pool, kind="upload")
    await objects.record_stored(api.pool, made.id, size=7, sha256=None)
    return await jobs.enqueue(
        api.pool, order, project_id=project.id, user_id=ann.id, correlation_id="c", object_id=made.id
    )


async def _fail(api: Api, job: Job, code: str, error: str = "cut") -> None:
    await jobs.fail(api.pool, await api.started(job), error=error, code=code)


async def test_a_job_names_who_asked_for_it(api: Api) -> None:
    ann, bob = await api.user("ann"), await api.user("bob")
    job = await api.job(await api.project(ann), bob)
    assert (await _show(api, job))["user"] == {"id": bob.id, "username": "bob", "name": "Bob"}
    await api.pool.execute("UPDATE jobs SET user_id = NULL")
    assert (await _show(api, job))["user"] is None


async def test_an_archive_is_downloaded_by_who_asked_for_it_until_it_expires(api: Api) -> None:
    ann = await api.user("ann")
    project = await api.project(ann)
    await api.member("max", project, AccessLevel.MAINTAINER)
    await api.archive(project, ann, content=b"first")
    first = await api.newest(project, JobKind.EXPORT)
    address = f"/api/v4/projects/{project.id}/export/download"

    shown = (await _show(api, first))["archive"]
    assert (shown["download_url"], shown["expires_at"][-1]) == (address, "Z")
    assert (await _show(api, first, by="max"))["archive"]["download_url"] is None
    await api.pool.execute("UPDATE archives SET expires_at = now()")
    assert (await _show(api, first))["archive"]["download_url"] is None


async def test_a_waiting_job_tells_its_place_in_the_queue_of_its_kind(api: Api) -> None:
    ann = await api.user("ann")
    project = await api.project(ann)
    first, other = await api.job(project, ann), await api.job(project, ann, RelationImportOrder(relation="x"))
    second = await api.job(project, ann)

    places = [(await _show(api, job))["position"] for job in (first, other, second)]
    await api.started(first)

    assert places == [1, 1, 2]
    assert [(await _show(api, job))["position"] for job in (first, second)] == [None, 1]


async def test_a_place_behind_the_first_thousand_is_not_told(api: Api) -> None:
    ann = await api.user("ann")
    project = await api.project(ann)
    await api.pool.execute(WAITING, project.id, ann.id)
    last = await api.newest(project, JobKind.EXPORT)
    assert (await _show(api, last))["position"] == 1000
    assert (await _show(api, await api.job(project, ann)))["position"] is None


async def test_a_running_job_tells_its_phase(api: Api) -> None:
    ann = await api.user("ann")
    job = await api.job(await api.project(ann), ann)
    lease = await api.started(job)
    phases = [{"name": name, "seconds": 1, "bytes": 0} for name in ("preparing", "reading")]
    await jobs.heartbeat(api.pool, lease, ttl=timedelta(minutes=1), progress={"phases": phases})
    assert (await _show(api, job))["phase"] == "reading"
    await jobs.finish(api.pool, lease, progress={"phases": phases})
    assert (await _show(api, job))["phase"] is None


async def test_an_import_that_has_ended_tells_how_much_it_left_out(api: Api) -> None:
    ann = await api.user("ann")
    job = await api.job(await api.project(ann), ann, ImportOrder())
    lease = await api.started(job)
    await api.pool.execute(FAILED, job.id, lease.token, 12)
    assert (await _show(api, job))["failures_count"] is None
    await jobs.finish(api.pool, lease, progress={})
    assert (await _show(api, job))["failures_count"] == 12
    await api.pool.execute(FAILED, job.id, lease.token, 10_000)
    assert (await _show(api, job))["failures_count"] == 10_000


async def test_a_job_tells_its_last_event_and_the_page_of_its_error(api: Api) -> None:
    ann = await api.user("ann")
    job = await api.job(await api.project(ann), ann)
    await _fail(api, job, "storage_failed", "away")

    shown = await _show(api, job)

    assert shown["last_event_id"] == await api.pool.fetchval("SELECT max(id) FROM events")
    assert shown["error_details"] == {
        "code": "storage_failed", "message": "away", "url": f"{EXTERNAL_URL}/problems/storage_failed"
    }  # fmt: skip


async def _nothing(_api: Api, _job: Job) -> None:
    pass


async def _newer(api: Api, job: Job) -> None:
    bob = await api.user("bob")
    await jobs.enqueue(api.pool, ImportOrder(), project_id=job.project_id, user_id=bob.id, correlation_id="c")


async def _collected(api: Api, job: Job) -> None:
    await api.pool.execute("DELETE FROM objects WHERE id = $1", job.object_id)


async def _filled(api: Api, job: Job) -> None:
    await api.pool.execute(FILLED, job.project_id)


RELATION = RelationImportOrder(relation="issues")
UPLOAD = UploadOrder(upload=UploadTarget(url="sealed"))
REASONS = [
    (ImportOrder(), "storage_failed", _nothing, None),
    (ImportOrder(), "archive_limit_exceeded", _nothing, None),
    (ImportOrder(), "archive_invalid", _nothing, "retry_pointless"),
    (ImportOrder(), "archive_entry_refused", _nothing, "retry_pointless"),
    (RELATION, "archive_invalid", _nothing, "retry_pointless"),
    (ImportOrder(), "storage_failed", _newer, "not_retriable"),
    (ImportOrder(), "storage_failed", _filled, "not_retriable"),
    (ImportOrder(), "storage_failed", _collected, "retry_gone"),
    (RELATION, "storage_failed", _nothing, None),
    (RELATION, "storage_failed", _newer, "not_retriable"),
    (RELATION, "storage_failed", _filled, None),
    (RELATION, "storage_failed", _collected, "retry_gone"),
    (ExportOrder(), "storage_failed", _nothing, None),
]


@pytest.mark.parametrize(("order", "code", "meanwhile", "reason"), REASONS)
async def test_a_job_says_why_a_retry_would_be_refused_and_it_is(
    api: Api,
    order: JobOrder,
    code: str,
    meanwhile: Callable[[Api, Job], Awaitable[None]],
    reason: str | None,
) -> None:
    job = await _uploaded(api, order)
    await _fail(api, job, code)
    await meanwhile(api, job)

    shown = await _show(api, job)
    retried = await api.call("POST", f"/api/crossdock/v1/jobs/{job.id}/retry", by="ann")

    assert shown["can_retry"] is (reason is None)
    if reason is None:
        assert (retried.status, shown["why_not_retry"]) == (201, None)
    else:
        assert shown["why_not_retry"]["code"] == reason
        assert f'"code":"{reason}"'.encode() in retried.body
        assert shown["why_not_retry"]["message"].encode() in retried.body


async def test_an_upload_is_retried_while_its_archive_is_kept(api: Api) -> None:
    ann = await api.user("ann")
    project = await api.project(ann)
    await api.archive(project, ann, content=b"archive")
    made = await api.newest(project, JobKind.EXPORT)
    job = await jobs.enqueue(
        api.pool, UPLOAD, project_id=project.id, user_id=ann.id, correlation_id="c", parent_id=made.id
    )
    await _fail(api, job, "remote_refused")
    assert (await _show(api, job))["can_retry"] is True
    await api.pool.execute("DELETE FROM archives")
    assert (await _show(api, job))["why_not_retry"]["code"] == "retry_gone"


async def test_the_reason_names_the_error_that_would_come_again(api: Api) -> None:
    job = await _uploaded(api, ImportOrder())
    await _fail(api, job, "archive_invalid", "it ends too early")
    assert (await _show(api, job))["why_not_retry"]["message"] == (
        "a retry of the same archive gives the same error (it ends too early): "
        "upload another one, with overwrite"
    )


async def test_an_import_from_elsewhere_may_find_another_archive(api: Api) -> None:
    ann = await api.user("ann")
    job = await api.job(await api.project(ann), ann, ImportOrder(source=RemoteSource(url="sealed")))
    await _fail(api, job, "archive_invalid")
    assert (await _show(api, job))["can_retry"] is True


async def test_a_retry_has_until_what_it_needs_is_deleted(api: Api) -> None:
    job = await _uploaded(api, ImportOrder())
    await _fail(api, job, "storage_failed")
    shown = await _show(api, job)
    kept = datetime.fromisoformat(shown["retry_until"]) - datetime.fromisoformat(shown["finished_at"])
    assert kept == timedelta(days=1)


async def test_a_retry_that_needs_nothing_has_no_end(api: Api) -> None:
    ann = await api.user("ann")
    job = await api.job(await api.project(ann), ann)
    await _fail(api, job, "storage_failed")
    assert (await _show(api, job))["retry_until"] is None
