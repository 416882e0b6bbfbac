from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest

from shared.accounts.models import AccessLevel
from shared.jobs import store as jobs
from shared.jobs.models import ExportOrder, JobKind, Outcome, UploadOrder, UploadOutcome, UploadTarget
from shared.projects import store
from tests.support.api import EXTERNAL_URL, Answer, Api

SECRET = "https://s3.example.com/bucket/x?X-Amz-Signature=secret"  # must not be shown
MASKED = "https://s3.example.com/*****"
UPLOADED = UploadOutcome(url=MASKED, status=200, attempts=1, bytes=7, error=None)


async def _job(api: Api, number: object, *, by: str | None = "ann") -> Answer:
    return await api.call("GET", f"/api/crossdock/v1/jobs/{number}", by=by)


def _is_problem(answer: Answer, status: int, title: str, *, code: str) -> bool:
    return (
        answer.headers["Content-Type"] == "application/problem+json"
        and f'"type":"{EXTERNAL_URL}/problems/{code}"'.encode() in answer.body
        and f'"code":"{code}"'.encode() in answer.body
        and answer.status == status
        and f'"title":"{title}","status":{status}'.encode() in answer.body
        and f'"correlation_id":"{answer.headers["X-Request-Id"]}"'.encode() in answer.body
    )


async def test_a_job_and_its_line_in_a_list_tell_what_is_known_of_its_archive_by_now(api: Api) -> None:
    ann = await api.user("ann")
    project = await api.project(ann)
    await api.archive(project, ann, content=b"archive")
    job = await api.newest(project, JobKind.EXPORT)
    known = {"size": 7, "sha256": hashlib.sha256(b"archive").hexdigest()}
    shown = (await _job(api, job.id)).body["archive"]
    assert shown.items() >= known.items()
    listed = await api.call("GET", "/api/crossdock/v1/jobs", by="ann")
    assert [each["archive"] for each in listed.body] == [shown]
    await api.pool.execute("DELETE FROM archives")
    assert (await _job(api, job.id)).body["archive"] is None


async def test_a_finished_job_tells_its_progress_and_its_upload_and_never_the_address(api: Api) -> None:
    ann = await api.user("ann")
    project = await api.project(ann)
    job = await api.job(project, ann, ExportOrder(upload=UploadTarget(url=SECRET)))
    lease = await api.started(job)
    await jobs.finish(api.pool, lease, progress={"entries": 3}, outcome=Outcome(upload=UPLOADED))

    answer = await _job(api, job.id)

    assert answer.status == 200
    for name in ("created_at", "started_at", "finished_at"):
        assert answer.body.pop(name).endswith("Z")
    timings = answer.body.pop("timings")
    assert timings["waited_seconds"] >= 0
    assert timings["ran_seconds"] >= 0
    assert answer.body == {
        "id": job.id,
        "kind": "export",
        "parent_id": None,
        "state": "finished",
        "project": {"id": project.id, "path_with_namespace": "ann/project"},
        "user_id": ann.id,
        "user": {"id": ann.id, "username": "ann", "name": "Ann"},
        "canceled_by": None,
        "retry_of": None,
        "retried_by": None,
        "correlation_id": "cid",
        "due_at": None,
        "lease": None,
        "attempt": 1,
        "max_attempts": 5,
        "error": None,
        "error_code": None,
        "errors": [],
        "progress": {"entries": 3, "bytes_per_second": None, "remaining_seconds": None},
        "outcome": {
            "upload": {"url": MASKED, "status": 200, "attempts": 1, "bytes": 7, "error": None},
            "archive": None,
        },
        "archive": None,
        "content_sha256": None,
        "phase": None,
        "position": None,
        "failures_count": None,
        "error_details": None,
        "can_retry": False,
        "retry_until": None,
        "why_not_retry": {
            "code": "not_retriable",
            "message": "only a job that failed or was canceled can be retried",
        },
        "last_event_id": await api.pool.fetchval("SELECT max(id) FROM events"),
    }


async def test_a_waiting_job_has_no_times_and_no_outcome(api: Api) -> None:
    ann = await api.user("ann")
    job = await api.job(await api.project(ann), ann)

    body = (await _job(api, job.id)).body

    assert (body["state"], body["started_at"], body["finished_at"]) == ("queued", None, None)
    assert body["progress"] == {"bytes_per_second": None, "remaining_seconds": None}
    assert (body["outcome"], body["lease"], body["timings"]["phases"]) == (None, None, [])
    assert body["due_at"] == body["created_at"]


async def test_a_failed_job_tells_why(api: Api) -> None:
    ann = await api.user("ann")
    job = await api.job(await api.project(ann), ann)
    await api.failed(job, "broken")

    body = (await _job(api, job.id)).body

    assert (body["state"], body["error"]) == ("failed", "broken")


async def test_a_job_tells_the_error_of_each_attempt_and_a_list_of_jobs_does_not(api: Api) -> None:
    ann = await api.user("ann")
    job = await api.job(await api.project(ann), ann)
    for _ in range(2):
        lease = await api.started(job)
        await jobs.postpone(api.pool, lease, error="away", code="storage_failed", delay=timedelta(0))
    lease = await api.started(job)
    await jobs.retry(api.pool, lease, error="slow", code="remote_slow", delay=timedelta(0))
    await api.failed(job, "x" * 3000)

    errors = (await _job(api, job.id)).body["errors"]
    listed = await api.call("GET", "/api/crossdock/v1/jobs", by="ann")

    assert [each.pop("at")[-1] for each in errors] == ["Z"] * 3
    assert errors == [
        {"attempt": 1, "code": "storage_failed", "error": "away", "counts": False, "times": 2},
        {"attempt": 1, "code": "remote_slow", "error": "slow", "counts": True, "times": 1},
        {"attempt": 2, "code": "storage", "error": "x" * 500, "counts": True, "times": 1},
    ]
    assert [each["errors"] for each in listed.body] == [None]


@pytest.mark.parametrize(
    ("level", "status"),
    [(AccessLevel.OWNER, 200), (AccessLevel.MAINTAINER, 200), (AccessLevel.DEVELOPER, 404)],
)
async def test_a_job_is_shown_to_those_who_administer_its_project(
    api: Api, level: AccessLevel, status: int
) -> None:
    ann = await api.user("ann")
    project = await api.project(ann)
    job = await api.job(project, ann)
    await api.member("bob", project, level)

    assert (await _job(api, job.id, by="bob")).status == status


async def test_an_administrator_sees_every_job(api: Api) -> None:
    ann = await api.user("ann")
    job = await api.job(await api.project(ann), ann)
    await api.user("root", is_admin=True)

    assert (await _job(api, job.id, by="root")).status == 200


async def test_a_job_of_others_is_not_told_from_one_that_is_not_there(api: Api) -> None:
    ann = await api.user("ann")
    job = await api.job(await api.project(ann), ann)
    await api.user("eve")

    for number in (job.id, job.id + 1, 10**30, "x", -1):
        answer = await _job(api, number, by="eve")
        assert _is_problem(answer, 404, "Not Found", code="not_found")
        assert b'"detail":"Job Not Found"' in answer.body
        assert f'"instance":"/api/crossdock/v1/jobs/{number}"'.encode() in answer.body


async def test_the_last_word_of_a_job_whose_project_was_deleted_is_for_its_user_and_administrators(
    api: Api,
) -> None:
    ann, bob = await api.user("ann"), await api.user("bob")
    await api.user("root", is_admin=True)
    project = await api.project(ann)
    await api.member("max", project, AccessLevel.MAINTAINER)
    failed, waiting, running = [await api.job(project, user) for user in (ann, bob, ann)]
    await jobs.fail(api.pool, await api.started(failed), error="broken", code="archive_damaged")
    await api.started(running)
    before = (await _job(api, failed.id)).body
    await store.delete(api.pool, project.id)

    after = (await _job(api, failed.id)).body
    for own in ("user", "last_event_id", "can_retry", "retry_until", "why_not_retry"):
        del before[own], after[own]
    assert ([each["code"] for each in before.pop("errors")], after.pop("errors")) == (
        ["archive_damaged"],
        None,
    )
    for word in (before, after):
        assert [word.pop(name)[-1] for name in ("created_at", "started_at", "finished_at")] == ["Z"] * 3
        assert word.pop("timings").keys() == {"waited_seconds", "ran_seconds", "phases"}
    assert after == before
    assert (after["state"], after["error"], after["error_code"]) == ("failed", "broken", "archive_damaged")
    for by, job in (("ann", running), ("bob", waiting), ("root", waiting)):
        word = (await _job(api, job.id, by=by)).body
        assert (word["state"], word["error_code"]) == ("canceled", "project_deleted")
        assert word["error"] == "the project was deleted"
    for by, job in (("bob", failed), ("ann", waiting), ("max", failed)):
        assert (await _job(api, job.id, by=by)).status == 404


async def test_errors_before_the_handler_are_problems_too(api: Api) -> None:
    await api.user("ann")
    assert _is_problem(await _job(api, 1, by=None), 401, "Unauthorized", code="unauthenticated")
    unknown = await api.call("GET", "/api/crossdock/v1/nothing", by="ann")
    assert _is_problem(unknown, 404, "Not Found", code="route_unknown")
    refused = await api.call("DELETE", "/api/crossdock/v1/jobs/1", by="ann")
    assert _is_problem(refused, 405, "Method Not Allowed", code="method_not_allowed")
    assert refused.headers["Allow"]


async def test_a_fault_of_ours_is_a_problem_without_its_cause(api: Api) -> None:
    await api.user("ann")
    await api.pool.execute("ALTER TABLE jobs RENAME TO gone")

    answer = await _job(api, 1)

    assert _is_problem(answer, 500, "Internal Server Error", code="internal")
    assert b"gone" not in answer.body


async def test_errors_of_gitlabs_api_stay_gitlabs(api: Api) -> None:
    await api.user("ann")
    answer = await api.get("/projects/1", by="ann")
    assert answer.body == {"message": "404 Project Not Found"}


async def test_a_running_upload_tells_what_it_has_sent_of_how_much_and_the_time_left(
    api: Api,
) -> None:
    ann = await api.user("ann")
    project = await api.project(ann)
    job = await api.job(project, ann, UploadOrder(upload=UploadTarget(url=SECRET)))
    phases = [{"name": "uploading", "seconds": 2.0, "bytes": 1000}]
    progress = {"bytes_done": 1000, "bytes_total": 4000, "phases": phases}
    await jobs.heartbeat(api.pool, await api.started(job), ttl=timedelta(minutes=1), progress=progress)

    answer = await _job(api, job.id)

    assert answer.body["kind"] == "upload"
    assert answer.body["progress"] == {
        "bytes_done": 1000, "bytes_total": 4000, "bytes_per_second": 500, "remaining_seconds": 6
    }  # fmt: skip


async def test_only_a_running_job_has_a_pace(api: Api) -> None:
    ann = await api.user("ann")
    job = await api.job(await api.project(ann), ann)
    pace = {"rate_bytes_per_second": 9, "seconds_left": 4}
    lease = await api.started(job)
    await jobs.heartbeat(api.pool, lease, ttl=timedelta(minutes=1), progress=pace)
    assert (await _job(api, job.id)).body["progress"].items() >= pace.items()
    await jobs.fail(api.pool, lease, error="e", code="storage")
    assert (await _job(api, job.id)).body["progress"].keys() == {"bytes_per_second", "remaining_seconds"}


async def _of_a_newer_version(api: Api) -> int:
    """A queued job of a kind that this version does not know."""
    ann = await api.user("ann")
    job = await api.job(await api.project(ann), ann)
    await api.pool.execute("ALTER TABLE jobs DROP CONSTRAINT jobs_kind_check")
    await api.pool.execute("""UPDATE jobs SET kind = 'transfer', payload = '{"from": 1}'""")
    return job.id


async def test_a_job_of_an_unknown_kind_is_shown_by_its_name(api: Api) -> None:
    number = await _of_a_newer_version(api)
    listed = await api.call("GET", "/api/crossdock/v1/jobs", by="ann")
    shown = await _job(api, number)
    assert (listed.status, shown.status) == (200, 200)
    assert [job["kind"] for job in (*listed.body, shown.body)] == ["transfer", "transfer"]


async def test_a_job_of_an_unknown_kind_is_canceled_and_not_retried(api: Api) -> None:
    number = await _of_a_newer_version(api)
    canceled = await api.call("POST", f"/api/crossdock/v1/jobs/{number}/cancel", by="ann")
    assert (canceled.status, canceled.body["state"]) == (200, "canceled")
    retried = await api.call("POST", f"/api/crossdock/v1/jobs/{number}/retry", by="ann")
    assert _is_problem(retried, 409, "Conflict", code="not_retriable")
