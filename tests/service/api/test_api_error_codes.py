from __future__ import annotations

import json

import pytest
import structlog

from shared.accounts.models import User
from shared.projects.models import Project
from tests.support.api import EXTERNAL_URL, Api
from tests.support.commands import Forge

JOBS = "/api/crossdock/v1/jobs"


@pytest.mark.parametrize(
    ("path", "code"),
    [("/4711", "not_found"), ("?state=x", "parameters_invalid"), ("/1/none", "route_unknown")],
)
@pytest.mark.usefixtures("ann")
async def test_the_type_of_a_problem_is_the_address_of_a_page_about_its_code(
    api: Api, path: str, code: str
) -> None:
    answer = await api.call("GET", f"{JOBS}{path}", by="ann")
    problem = json.loads(answer.body)
    page = await api.call("GET", problem["type"].removeprefix(EXTERNAL_URL))
    assert (problem["code"], problem["type"]) == (code, f"{EXTERNAL_URL}/problems/{code}")
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert f"<h1>{code}</h1>".encode() in page.body


async def test_all_codes_are_listed_and_an_unknown_one_has_no_page(api: Api) -> None:
    listed = await api.call("GET", "/problems")
    unknown = await api.call("GET", "/problems/no_such_code")
    assert b"/problems/archive_invalid" in listed.body
    assert b"a limit of <code>limit</code>." in listed.body
    assert b"`" not in listed.body
    assert (unknown.status, unknown.body) == (404, {"error": "404 Not Found"})


async def test_gitlabs_bodies_have_no_code(api: Api, ann: User) -> None:
    assert ann
    answer = await api.get("/projects/4711", by="ann")
    assert (answer.status, answer.body) == (404, {"message": "404 Project Not Found"})


async def test_a_detail_is_a_sentence_and_no_repr(api: Api, project: Project) -> None:
    answer = await api.call(
        "POST",
        f"/api/crossdock/v1/projects/{project.id}/webhooks",
        by="ann",
        json={"url": "https://no.such.host.invalid/"},
    )
    problem = json.loads(answer.body)
    assert (answer.status, problem["code"]) == (400, "host_unresolved")
    assert problem["detail"] == "url is blocked: Host cannot be resolved or invalid"


async def test_a_job_has_the_code_of_its_error_and_so_has_its_event(
    api: Api, ann: User, project: Project
) -> None:
    job = await api.job(project, ann)
    await api.failed(job, "no archive")
    shown = (await api.call("GET", f"{JOBS}/{job.id}", by="ann")).body
    data = await api.pool.fetchval("SELECT data FROM events WHERE name = 'export.failed'")
    assert (shown["error"], shown["error_code"]) == ("no archive", "storage")
    assert (data["error"], data["error_code"]) == ("no archive", "storage")


async def test_a_refused_command_is_answered_with_its_code(other: Forge) -> None:
    answer = await other.ask("export.requested", {"project": "no/such"})
    assert (answer.data["status"], answer.data["code"]) == (404, "not_found")


async def test_the_log_line_of_a_refused_request_has_the_code(api: Api, ann: User) -> None:
    assert ann
    with structlog.testing.capture_logs() as logs:
        await api.get("/projects/4711", by="ann")
        await api.get("/projects", by="ann")
    assert [log["code"] for log in logs if log["event"] == "request"] == ["not_found", None]


@pytest.mark.parametrize("api", [{"project_export_enabled": False}], indirect=True)
async def test_an_export_that_is_switched_off_is_refused_alike_whoever_asks(
    api: Api, ann: User, project: Project
) -> None:
    job = await api.job(project, ann)
    await api.failed(job, "no archive")
    asked = await api.post(f"/projects/{project.id}/export", by="ann")
    retried = await api.call("POST", f"{JOBS}/{job.id}/retry", by="ann")
    assert (asked.status, retried.status) == (404, 404)
    assert json.loads(retried.body)["code"] == "exports_disabled"
