from __future__ import annotations

import pytest

from shared.jobs import store as jobs
from shared.jobs.models import JobKind
from tests.support.api import Api

GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def _traceparent_of_export(api: Api, header: str) -> str | None:
    project = await api.project(await api.user("ann"))
    answer = await api.post(f"/projects/{project.id}/export", by="ann", headers={"traceparent": header})
    assert answer.status == 202
    job = await api.newest(project, JobKind.EXPORT)
    assert "traceparent" not in repr(job.order)
    return job.traceparent


async def test_a_job_belongs_to_the_trace_of_its_request_also_while_nobody_traces(api: Api) -> None:
    assert await _traceparent_of_export(api, GIVEN) == GIVEN


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        GIVEN.upper(),
        f"{GIVEN}-more",
        GIVEN.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32),
        GIVEN.replace("00f067aa0ba902b7", "0" * 16),
        GIVEN.replace("00-4b", "ff-4b"),
    ],
)
async def test_what_is_no_traceparent_is_left_out(api: Api, header: str) -> None:
    assert await _traceparent_of_export(api, header) is None


async def test_the_trace_of_a_request_does_not_reach_the_next_one(api: Api) -> None:
    ann = await api.user("ann")
    project = await api.project(ann)
    for header in ({"traceparent": GIVEN}, {}):
        await api.post(f"/projects/{project.id}/export", by="ann", headers=header)
        await api.finished(await api.newest(project, JobKind.EXPORT))
    found = await jobs.list_all(api.pool, project.id, JobKind.EXPORT)
    assert [job.traceparent for job in found] == [GIVEN, None]


async def test_an_export_asked_for_again_in_another_trace_is_the_same_export(api: Api) -> None:
    project = await api.project(await api.user("ann"))
    path = f"/projects/{project.id}/export"
    answers = [
        await api.post(path, by="ann", headers={"traceparent": trace})
        for trace in (GIVEN, GIVEN.replace("4bf", "5bf"))
    ]
    assert [answer.status for answer in answers] == [202, 400]
