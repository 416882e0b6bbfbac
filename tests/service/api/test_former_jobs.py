"""The ended jobs of a project that was replaced, or that was to replace another: they are listed on."""

from __future__ import annotations

from datetime import timedelta

from shared.accounts.models import User
from shared.jobs.models import ImportOrder, Job, JobOrder, RelationImportOrder
from shared.projects.content import take_place
from shared.projects.models import Project
from shared.projects.overwrites import OverwriteExpiry
from tests.support.api import Api

TEMPORARY = f"project-{'0' * 32}"
RELATION = RelationImportOrder(relation="issues")
REPLACING = ImportOrder(replaces="ann/project")


async def _failed(api: Api, project: Project, user: User, order: JobOrder | None = None) -> Job:
    job = await api.job(project, user, order)
    await api.failed(job, "cut")
    return job


async def _replaced(api: Api, old: Project, ann: User) -> Job:
    """An import that has taken the place of the project."""
    new = await api.project(ann, TEMPORARY)
    job = await api.job(new, ann, REPLACING)
    async with api.pool.acquire() as db, db.transaction():
        await take_place(db, new.id, path=old.path, user_id=ann.id)
    await api.finished(job)
    return job


async def _left(api: Api, ann: User) -> Job:
    """An import that was to take the place of ann/project, failed, and whose own project went since."""
    job = await _failed(api, await api.project(ann, TEMPORARY), ann, REPLACING)
    assert await OverwriteExpiry(api.pool, kept=timedelta(0)).delete_left() == 1
    return job


async def _listed(api: Api) -> dict[int, tuple[str, str]]:
    listed = await api.call("GET", "/api/crossdock/v1/jobs", by="ann")
    return {job["id"]: (job["state"], job["project"]["path_with_namespace"]) for job in listed.body}


async def _statuses(api: Api) -> tuple[str, str, int]:
    """What GitLab's API tells of the import, of the export, and how many relation imports."""
    shown = await api.get("/projects/ann%2Fproject", by="ann")
    imported = await api.get("/projects/ann%2Fproject/import", by="ann")
    assert shown.body["import_status"] == imported.body["import_status"]
    exported = await api.get("/projects/ann%2Fproject/export", by="ann")
    relations = await api.get("/projects/ann%2Fproject/relation-imports", by="ann")
    return imported.body["import_status"], exported.body["export_status"], len(relations.body)


async def test_ended_jobs_of_a_project_that_was_replaced_are_listed_on(
    api: Api, project: Project, ann: User
) -> None:
    failed = await _failed(api, project, ann, ImportOrder())
    replacing = await _replaced(api, project, ann)

    assert await _listed(api) == {
        failed.id: ("failed", "ann/project"), replacing.id: ("finished", "ann/project"),
    }  # fmt: skip
    summary = await api.call("GET", "/api/crossdock/v1/jobs/summary", by="ann")
    assert summary.body["failed"] == 1


async def test_they_decide_nothing_about_the_project_that_replaced_it(
    api: Api, project: Project, ann: User
) -> None:
    """Also where they are newer than its import."""
    new = await api.project(ann, TEMPORARY)
    await api.finished(await api.job(new, ann, REPLACING))
    failed = [await _failed(api, project, ann, order) for order in (ImportOrder(), RELATION, None)]
    async with api.pool.acquire() as db, db.transaction():
        await take_place(db, new.id, path=project.path, user_id=ann.id)

    assert {job.id for job in failed} < (await _listed(api)).keys()
    assert await _statuses(api) == ("finished", "none", 0)
    (shown,) = (await api.call("GET", "/api/crossdock/v1/projects", by="ann")).body
    assert (shown["last_import"]["state"], shown["last_export"]) == ("finished", None)


async def test_an_overwrite_that_did_not_take_place_is_listed_with_its_target(
    api: Api, project: Project, ann: User
) -> None:
    imported = await api.job(project, ann, ImportOrder())
    await api.finished(imported)
    left = await _left(api, ann)

    assert await _listed(api) == {
        imported.id: ("finished", "ann/project"), left.id: ("failed", "ann/project"),
    }  # fmt: skip
    assert (await _statuses(api))[0] == "finished"


async def test_it_goes_with_its_project_where_nothing_is_at_the_path(api: Api, ann: User) -> None:
    await _left(api, ann)
    assert await _listed(api) == {}


async def test_it_does_not_keep_an_import_from_being_tried_again(
    api: Api, project: Project, ann: User
) -> None:
    failed = await _failed(api, project, ann, ImportOrder())
    await _left(api, ann)
    shown = await api.call("GET", f"/api/crossdock/v1/jobs/{failed.id}", by="ann")
    assert shown.body["why_not_retry"]["code"] == "retry_gone"  # its archive, not another import


async def test_a_job_is_given_on_with_each_project_that_replaces_one(
    api: Api, project: Project, ann: User
) -> None:
    failed = await _failed(api, project, ann)
    await _replaced(api, project, ann)
    again = await api.project(ann, f"project-{'1' * 32}")
    async with api.pool.acquire() as db, db.transaction():
        await take_place(db, again.id, path=project.path, user_id=ann.id)
    row = await api.pool.fetchrow("SELECT project_id, former_project_id FROM jobs WHERE id = $1", failed.id)
    assert row is not None
    assert tuple(row) == (again.id, project.id)
