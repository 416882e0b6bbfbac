"""Jobs that failed, found by what failed, and retried many at a time."""

from __future__ import annotations

from typing import Any

import pytest

from shared.accounts.models import AccessLevel, User
from shared.database.transactions import postponed_commit
from shared.jobs import store as jobs
from shared.jobs.lists import JobQuery, job_list_query
from shared.jobs.models import ExportOrder, ImportOrder, Job, JobKind, JobState
from shared.projects import store
from shared.usecases.job_origin import JobOrigin
from shared.usecases.jobs import JobFilter
from tests.support.api import Answer, Api

AWAY = "storage_failed"


async def _failed(api: Api, user: User, path: str, *, code: str = AWAY) -> Job:
    """An export of a project of its own that failed."""
    job = await api.job(await api.project(user, path), user)
    await jobs.fail(api.pool, await api.started(job), error="e", code=code)
    return job


async def _retry(api: Api, *, by: str = "root", **body: Any) -> Answer:
    answer = await api.call("POST", "/api/crossdock/v1/jobs/retry", by=by, json=body)
    assert answer.status == 200, answer
    return answer


async def _newest(api: Api, job: Job) -> Job:
    found = await jobs.find_newest(api.pool, job.project_id, JobKind.EXPORT)
    assert found is not None
    return found


@pytest.fixture
async def root(api: Api) -> User:
    return await api.user("root", is_admin=True)


async def test_failed_jobs_are_listed_by_the_code_of_their_error(api: Api) -> None:
    ann = await api.user("ann")
    away = await _failed(api, ann, "a")
    await _failed(api, ann, "b", code="archive_invalid")
    listed = await api.call("GET", f"/api/crossdock/v1/jobs?state=failed&code={AWAY}", by="ann")
    assert [each["id"] for each in listed.body] == [away.id]


async def test_a_list_by_code_reads_the_jobs_with_that_code_alone(api: Api) -> None:
    await _failed(api, await api.user("ann"), "a")
    await api.pool.execute(
        """INSERT INTO jobs (kind, state, project_id, user_id, correlation_id, max_attempts, finished_at,
                             error_code)
           SELECT 'export', 'failed', project_id, user_id, 'c', 5, now(), 'other'
           FROM jobs, generate_series(1, 5000)"""
    )
    await api.pool.execute("ANALYZE jobs")
    query, values = job_list_query(JobQuery(states=[JobState.FAILED], code=AWAY), administrator=None)
    plan = "\n".join(row[0] for row in await api.pool.fetch(f"EXPLAIN {query}", *values))
    assert "jobs_of_error" in plan


@pytest.mark.usefixtures("root")
async def test_failed_jobs_are_retried_each_as_its_own_user(api: Api) -> None:
    ann, bob = await api.user("ann"), await api.user("bob")
    first, second = await _failed(api, ann, "a"), await _failed(api, bob, "b")
    other = await _failed(api, ann, "c", code="archive_invalid")

    answer = await _retry(api, code=AWAY)

    made = {job.id: await _newest(api, job) for job in (first, second)}
    assert answer.body == {
        "matched": [second.id, first.id],
        "retried": [{"id": job.id, "job_id": made[job.id].id} for job in (second, first)],
        "refused": [],
        "next_before": None,
    }
    assert [made[job.id].user_id for job in (first, second)] == [ann.id, bob.id]
    listed = (await api.call("GET", "/api/crossdock/v1/jobs?state=queued", by="root")).body
    assert [each["retry_of"] for each in listed] == [first.id, second.id]
    assert [made[job.id].state for job in (first, second)] == [JobState.QUEUED] * 2
    assert (await _newest(api, other)).id == other.id
    async with api.broker.consume("export", prefetch=2) as wake_ups:
        named = [(await anext(wake_ups)).message.body for _ in range(2)]
    assert named == [str(made[job.id].id).encode() for job in (second, first)]


@pytest.mark.usefixtures("root")
async def test_a_job_that_a_later_one_has_replaced_is_not_retried_again(api: Api) -> None:
    ann = await api.user("ann")
    job = await _failed(api, ann, "a")
    assert len((await _retry(api)).body["retried"]) == 1
    assert (await _retry(api)).body["matched"] == []
    await api.finished(await _newest(api, job))
    assert (await _retry(api)).body["matched"] == []


@pytest.mark.usefixtures("root")
async def test_a_dry_run_retries_nothing(api: Api) -> None:
    job = await _failed(api, await api.user("ann"), "a")
    answer = await _retry(api, dry_run=True, kind="export", user="ann", project="ann/a")
    assert answer.body == {"matched": [job.id], "retried": [], "refused": [], "next_before": None}
    assert (await _newest(api, job)).id == job.id


@pytest.mark.usefixtures("root")
async def test_what_cannot_be_retried_is_told_with_the_reason_and_holds_up_no_other(api: Api) -> None:
    ann, bob = await api.user("ann"), await api.user("bob")
    fine = await _failed(api, ann, "a")
    project = await api.project(ann, "b")
    gone = await api.job(project, ann, ImportOrder())
    await jobs.fail(api.pool, await api.started(gone), error="e", code=AWAY)
    shut_out = await _failed(api, await api.user("eve"), "e")
    await api.pool.execute("UPDATE users SET blocked = true WHERE username = 'eve'")
    foreign = await api.job(await store.find_by_id(api.pool, fine.project_id) or project, bob, ExportOrder())
    await jobs.fail(api.pool, await api.started(foreign), error="e", code=AWAY)

    foreseen = (await _retry(api, dry_run=True)).body
    body = (await _retry(api)).body

    assert [each["id"] for each in body["retried"]] == [fine.id]
    assert [(each["id"], each["code"]) for each in body["refused"]] == [
        (foreign.id, "not_found"), (shut_out.id, "user_blocked"), (gone.id, "retry_gone"),
    ]  # fmt: skip
    assert (foreseen["matched"], foreseen["retried"]) == (body["matched"], [])
    assert foreseen["refused"] == body["refused"]


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("api", [{"project_export_limit": 1}], indirect=True)
async def test_no_rate_limit_counts_what_an_administrator_has_retried(api: Api) -> None:
    ann = await api.user("ann")
    for number in range(3):
        await _failed(api, ann, f"p{number}")
    assert len((await _retry(api)).body["retried"]) == 3


@pytest.mark.usefixtures("root")
async def test_a_call_retries_as_many_as_it_says_and_the_next_goes_on(api: Api) -> None:
    ann = await api.user("ann")
    made = [await _failed(api, ann, f"p{number}") for number in range(3)]
    first = (await _retry(api, limit=2)).body
    assert (first["matched"], first["next_before"]) == ([made[2].id, made[1].id], made[1].id)
    second = (await _retry(api, limit=2, before=first["next_before"])).body
    assert (second["matched"], second["next_before"]) == ([made[0].id], None)
    refused = await api.call("POST", "/api/crossdock/v1/jobs/retry", by="root", json={"limit": 101})
    assert refused.status == 400


async def test_only_administrators_retry_the_jobs_of_others(api: Api) -> None:
    ann = await api.user("ann")
    job = await _failed(api, ann, "a")
    project = await store.find_by_id(api.pool, job.project_id)
    assert project is not None
    await api.member("max", project, AccessLevel.OWNER)
    statuses = [
        (await api.call("POST", "/api/crossdock/v1/jobs/retry", by=by, json={})).status
        for by in ("ann", "max", None)
    ]
    assert statuses == [403, 403, 401]


async def test_each_retry_is_committed_by_itself_also_where_an_answer_is_to_be_kept(
    api: Api, root: User
) -> None:
    failed = await _failed(api, await api.user("ann"), "a")
    retries = api.uses.bulk_retries
    wanted = JobFilter(kinds=None, states=[JobState.FAILED], code=AWAY, project=None, user=None)
    async with postponed_commit(api.pool) as effect:
        await retries.retry(
            root, wanted, before=None, limit=5, dry_run=False, origin=JobOrigin(correlation_id="c")
        )
        assert effect.db is None  # nothing was begun that would wait for the end
    assert (await _newest(api, failed)).id != failed.id
