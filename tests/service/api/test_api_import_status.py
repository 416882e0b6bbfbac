from __future__ import annotations

import pytest

from shared.accounts.models import User
from shared.gitlab.visibility import Visibility
from shared.jobs.models import ImportOrder, Job
from shared.projects.models import Project
from tests.support.api import Api


@pytest.fixture
async def project(api: Api, ann: User) -> Project:
    return await api.project(ann, visibility=Visibility.PUBLIC)


@pytest.fixture
async def job(api: Api, ann: User, project: Project) -> Job:
    return await api.job(project, ann, ImportOrder())


async def _fail_lines(api: Api, job_id: int, lease: int, count: int) -> None:
    await api.pool.execute(
        """INSERT INTO failed_relations
               (job_id, lease, relation, line_number, source, exception_class, exception_message)
           SELECT $1, $2, 'issues', n, 'process_relation_item!', 'RecordInvalid', 'Title is blank'
           FROM generate_series(0, $3 - 1) n ORDER BY n""",
        job_id, lease, count,
    )  # fmt: skip


async def test_status_of_an_invisible_project_is_not_found(api: Api, ann: User) -> None:
    private = await api.project(ann, "private")
    await api.user("eve")

    answer = await api.get(f"/projects/{private.id}/import", by="eve")

    assert (answer.status, answer.body) == (404, {"message": "404 Project Not Found"})


async def test_a_project_that_was_never_imported_has_no_import(api: Api, project: Project) -> None:
    answer = await api.get(f"/projects/{project.id}/import", by="ann")

    expected: dict[str, object] = {
        "import_status": "none",
        "import_type": None,
        "correlation_id": None,
        "failed_relations": [],
        "import_error": None,
        "stats": None,
    }
    assert {key: answer.body[key] for key in expected} == expected


async def test_status_is_finished_after_the_job(api: Api, project: Project, job: Job) -> None:
    await api.finished(job)

    answer = await api.get(f"/projects/{project.id}/import", by="ann")

    assert (answer.body["import_status"], answer.body["import_error"]) == ("finished", None)
    assert answer.body["correlation_id"] == "cid"


async def test_failures_of_an_earlier_attempt_are_not_shown(api: Api, project: Project, job: Job) -> None:
    lease = await api.started(job)
    await _fail_lines(api, job.id, lease.token - 1, 3)
    await _fail_lines(api, job.id, lease.token, 1)

    answer = await api.get(f"/projects/{project.id}/import", by="ann")

    assert len(answer.body["failed_relations"]) == 1
