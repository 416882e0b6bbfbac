"""Cases 70 to 75: how an import stands, and who is told why it failed."""

from __future__ import annotations

import pytest

from shared.jobs import store as jobs
from shared.jobs.models import ImportOrder
from tests.support.forms import Part
from tests.support.instance import Instance
from tests.support.projects import project
from tests.support.samples.table import archive

FAILURE = [
    "id", "created_at", "exception_class", "source", "exception_message", "relation_name", "line_number"
]  # fmt: skip


@pytest.fixture
async def failed(gitlab: Instance, ann: str) -> int:
    """A project whose import failed."""
    broken = Part("file", archive("truncated").read_bytes(), "x.tar.gz")
    answer = await gitlab.upload(Part("path", "p"), by=ann, file=broken)
    assert (await gitlab.import_ended(answer.body["id"]))["import_status"] == "failed"
    number: int = answer.body["id"]
    return number


async def test_case_70_a_stranger_is_told_nothing_of_a_public_project(gitlab: Instance, ann: str) -> None:
    number = await gitlab.project(ann, visibility="public")
    answer = await gitlab.get(f"/projects/{number}/import")
    assert (answer.status, answer.body) == (401, {"message": "401 Unauthorized"})


async def test_case_71_the_job_runs(gitlab: Instance, ann: str) -> None:
    number = await gitlab.project(ann)
    await gitlab.held(number, ann, ImportOrder())
    answer = await gitlab.get(f"/projects/{number}/import", by=ann)
    assert (answer.status, answer.body["import_status"]) == (200, "started")


async def test_case_72_a_maintainer_is_told_why_it_failed(gitlab: Instance, ann: str, failed: int) -> None:
    error = (await gitlab.get(f"/projects/{failed}/import", by=ann)).body["import_error"]
    assert error.startswith(f"Error importing repository  into {ann}/p - ")


async def test_case_73_others_are_sent_to_a_maintainer(gitlab: Instance, failed: int) -> None:
    answer = await gitlab.get(f"/projects/{failed}/import", by=await gitlab.member(failed, 30))
    text = "Ask a maintainer to check the import status for more details."
    assert (answer.body["import_status"], answer.body["import_error"]) == ("failed", text)


async def test_case_74_the_import_was_canceled(gitlab: Instance, ann: str) -> None:
    number = await gitlab.project(ann)
    lease = await gitlab.held(number, ann, ImportOrder())
    assert await jobs.cancel(gitlab.pool, lease.job_id)
    answer = await gitlab.get(f"/projects/{number}/import", by=ann)
    assert (answer.status, answer.body["import_status"]) == (200, "canceled")


async def test_case_75_the_newest_hundred_failures_are_told(gitlab: Instance, ann: str) -> None:
    number = await gitlab.imported(ann, project(issues=b"no record\n" * 101))
    failures = (await gitlab.get(f"/projects/{number}/import", by=ann)).body["failed_relations"]
    assert [failure["line_number"] for failure in failures] == list(range(100, 0, -1))
    assert {failure["relation_name"] for failure in failures} == {"issues"}
    assert list(failures[0]) == FAILURE
