from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.accounts.models import AccessLevel
from shared.jobs import store as jobs
from shared.jobs.models import ExportOrder, JobKind
from shared.jobs.presence import Presence, report
from shared.jobs.summaries import summarise
from tests.support.api import Api

COUNTS = ("waiting", "running", "finished", "failed", "canceled")


async def _summary(api: Api, query: str = "", *, by: str = "ann") -> Any:
    answer = await api.call("GET", f"/api/crossdock/v1/jobs/summary{query}", by=by)
    assert answer.status == 200, answer
    return answer.body


async def _one_of_each(api: Api) -> None:
    ann = await api.user("ann")
    project = await api.project(ann)
    made = [await api.job(project, ann, ExportOrder()) for _ in range(5)]
    await jobs.finish(api.pool, await api.started(made[0]), progress={"bytes_done": 7})
    await api.failed(made[1], "broken")
    await jobs.cancel(api.pool, made[2].id)
    await api.started(made[3])


async def test_jobs_are_counted_by_what_they_do_for_who_administers_them(api: Api) -> None:
    await _one_of_each(api)
    await api.user("root", is_admin=True)
    eve = await api.user("eve")
    theirs = await api.project(eve)
    await api.job(theirs, eve)
    await api.member("developer", theirs, AccessLevel.DEVELOPER)

    found = {by: await _summary(api, by=by) for by in ("ann", "eve", "root", "developer")}

    assert {by: [each[name] for name in COUNTS] for by, each in found.items()} == {
        "ann": [1, 1, 1, 1, 1], "eve": [1, 0, 0, 0, 0], "root": [2, 1, 1, 1, 1], "developer": [0, 0, 0, 0, 0],
    }  # fmt: skip
    assert [each["bytes"] for each in found.values()] == [7, 0, 7, 0]
    assert not any(each["partial"] for each in found.values())


async def test_ended_jobs_count_from_a_moment_on(api: Api) -> None:
    await _one_of_each(api)
    await api.pool.execute("UPDATE jobs SET finished_at = now() - interval '2 days' WHERE state = 'failed'")

    of_a_day = await _summary(api)
    since = (datetime.now(UTC) - timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    of_three_days = await _summary(api, f"?since={since}")

    assert (of_a_day["failed"], of_a_day["finished"]) == (0, 1)
    assert (of_three_days["failed"], of_three_days["since"]) == (1, since.replace("Z", ".000Z"))


async def test_places_are_those_of_workers_that_were_heard_of_lately(api: Api) -> None:
    await api.user("ann")
    for name, slots in (("a", 2), ("b", 3), ("gone", 50)):
        await report(api.pool, Presence(kind=JobKind.EXPORT, name=name, slots=slots))
    await api.pool.execute(
        "UPDATE job_workers SET seen_at = now() - interval '2 minutes' WHERE name = 'gone'"
    )
    assert (await _summary(api))["places"] == 5


async def test_the_oldest_waiting_job_is_the_one_that_was_due_first(api: Api) -> None:
    ann = await api.user("ann")
    project = await api.project(ann)
    assert (await _summary(api))["oldest_waiting_since"] is None
    old, later = await api.job(project, ann), await api.job(project, ann)
    move = "UPDATE jobs SET not_before = now() + $2::interval WHERE id = $1"
    await api.pool.execute(move, later.id, timedelta(hours=1))  # waits on purpose
    due = await api.pool.fetchval("SELECT not_before FROM jobs WHERE id = $1", old.id)
    told = datetime.fromisoformat((await _summary(api))["oldest_waiting_since"])
    assert abs(told - due) < timedelta(milliseconds=1)


async def test_a_summary_looks_at_a_bounded_number_of_ended_jobs(api: Api) -> None:
    await _one_of_each(api)
    root = await api.user("root", is_admin=True)
    day_ago = datetime.now(UTC) - timedelta(days=1)

    two, three = [
        await summarise(api.pool, root, since=day_ago, silence=timedelta(minutes=1), most_ended=most)
        for most in (2, 3)
    ]

    assert (two.finished + two.failed + two.canceled, two.is_partial) == (2, True)
    assert (three.finished + three.failed + three.canceled, three.is_partial) == (3, False)


@pytest.mark.parametrize(
    ("query", "status", "detail"),
    [
        ("?since=2001-01-01", 400, "since must not be more than 31 days ago"),
        ("?since=x", 400, "since is invalid"),
    ],
)
async def test_a_moment_that_is_none_or_too_long_ago_is_refused(
    api: Api, query: str, status: int, detail: str
) -> None:
    await api.user("ann")
    answer = await api.call("GET", f"/api/crossdock/v1/jobs/summary{query}", by="ann")
    assert (answer.status, json.loads(answer.body)["detail"]) == (status, detail)
    assert (await api.call("GET", "/api/crossdock/v1/jobs/summary")).status == 401
