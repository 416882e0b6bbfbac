from __future__ import annotations

import asyncio
import re

from playwright.async_api import expect

from shared.jobs import store as jobs
from shared.jobs.models import ExportOrder
from tests.e2e.browser.conftest import Visiting
from tests.e2e.browser.test_formats import evaluate
from tests.support.browsed import failed, own
from tests.support.browser import Visit
from tests.support.instance import Instance

DRAWN = "new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"


async def test_who_has_no_project_is_told_how_to_import_one(visit: Visit, ann: str) -> None:
    await visit.open("/projects")
    await expect(visit.page.get_by_role("heading", name="No projects yet")).to_be_visible()
    await expect(
        visit.page.get_by_text(f"crossdock import project_export.tar.gz --path {ann}")
    ).to_be_visible()


async def test_a_project_is_exported_and_downloaded_from_the_list(
    visit: Visit, gitlab: Instance, ann: str
) -> None:
    await gitlab.imported(ann)
    page, told = visit.page, visit.page.get_by_role("status")
    await visit.open("/projects")
    row = page.get_by_role("table", name="Projects").locator("[data-row]")
    await expect(row).to_contain_text("never")
    await expect(row.get_by_role("button", name="Download")).to_have_count(0)
    await page.get_by_role("button", name="Export now").click()
    await expect(told.filter(has_text=f"Export of {ann}/api-project started.")).to_be_visible()
    done = told.filter(has_text=f"Export of {ann}/api-project has finished.")
    await expect(done).to_be_visible()
    await expect(row).not_to_contain_text("never")
    for button in (done.get_by_role("link", name="Download"), row.get_by_role("button", name="Download")):
        async with page.expect_download() as waiting:
            await button.click()
        assert (await waiting.value).suggested_filename.endswith("_export.tar.gz")


async def test_while_a_project_is_exported_its_row_and_its_page_say_so(
    visit: Visit, gitlab: Instance, ann: str
) -> None:
    project = await gitlab.imported(ann)
    await gitlab.held(project, ann, ExportOrder())
    for path in ("/projects", f"/projects/{ann}/api-project"):
        await visit.open(path)
        await expect(visit.page.get_by_role("button", name="Exporting")).to_be_disabled()
        await expect(visit.page.get_by_role("button", name="Export now")).to_have_count(0)


async def test_an_export_of_somebody_else_says_whose_it_is_and_leaves_the_own_one_free(
    visit: Visit, visiting_as: Visiting, gitlab: Instance, ann: str
) -> None:
    project = await gitlab.imported(ann)
    other = await gitlab.member(project, 40)
    await gitlab.held(project, other, ExportOrder())
    row = visit.page.get_by_role("table", name="Projects").locator("[data-row]")
    await visit.open("/projects")
    await expect(row).to_contain_text(f"by {other}, for nobody else")
    await expect(row.get_by_role("button", name="Export now")).to_be_enabled()
    async with visiting_as(other) as others:
        await others.open("/projects")
        await expect(others.page.get_by_role("button", name="Exporting")).to_be_visible()
        await expect(others.page.get_by_text("for nobody else")).to_have_count(0)


async def test_how_a_job_ended_is_told_on_whichever_page_somebody_is(
    visit: Visit, gitlab: Instance, ann: str
) -> None:
    lease = await gitlab.held(await gitlab.imported(ann), ann, ExportOrder())
    page, told = visit.page, visit.page.get_by_role("status")
    await visit.open("/projects")
    await evaluate(visit, "outcomes", f"tellOutcome({lease.job_id}, 'Export of a/b')")
    await expect(told.get_by_role("link", name="Watch it")).to_be_visible()
    await page.get_by_role("navigation").get_by_role("link", name="Schedules").click()
    await jobs.fail(gitlab.pool, lease, error="broken", code="job_crashed")
    failed = told.filter(has_text="Export of a/b failed. Crossdock had an unexpected error.")
    await failed.get_by_role("link", name="What happened").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("failed")
    await page.get_by_role("button", name="Retry").click()
    await page.locator("dialog").get_by_role("button", name="Retry", exact=True).click()
    await expect(page.get_by_role("button", name="Retry")).to_have_count(0)
    assert not page.url.endswith(f"/jobs/{lease.job_id}")
    done = told.filter(has_text=f"Export of {ann}/api-project has finished.")
    await expect(done.get_by_role("link", name="Download")).to_be_visible()


async def test_a_project_page_has_its_export_and_its_jobs(visit: Visit, gitlab: Instance, ann: str) -> None:
    await gitlab.exported(await gitlab.imported(ann), by=ann)
    page = visit.page
    await visit.open(f"/projects/{ann}/api-project")
    async with page.expect_download() as waiting:
        await page.get_by_role("button", name="Download the export").click()
    assert (await waiting.value).suggested_filename.endswith("_export.tar.gz")
    rows = page.get_by_role("table", name="Jobs of this project").locator("[data-row]")
    await expect(rows).to_have_count(2)


async def test_an_owner_deletes_a_project_with_its_jobs_by_its_path(
    visit: Visit, gitlab: Instance, ann: str
) -> None:
    lease = await gitlab.held(await gitlab.imported(ann), ann, ExportOrder())
    page, path = visit.page, f"{ann}/api-project"
    await visit.open(f"/projects/{path}")
    await page.get_by_role("button", name="Delete the project").click()
    for typed, problem in ((ann, f"This is not the path. Type {path}"), (path, None)):
        await page.get_by_label("Type the path to confirm").fill(typed)
        assert await visit.violations() == []
        await page.get_by_role("button", name="Delete it").click()
        if problem:
            await expect(page.get_by_role("alert")).to_contain_text(problem)
    await expect(page.get_by_role("status").filter(has_text=f"{path} is deleted.")).to_be_visible()
    await expect(page.get_by_role("heading", name="No projects yet")).to_be_visible()
    job = await own(gitlab, f"/jobs/{lease.job_id}", by=ann)
    assert (job["state"], job["error"]) == ("canceled", "the project was deleted")


async def test_who_maintains_a_project_and_does_not_own_it_has_no_button_that_deletes_it(
    visiting_as: Visiting, gitlab: Instance, ann: str
) -> None:
    pages = (
        (await gitlab.imported(ann), "api-project", "Export now"),
        (await failed(gitlab, ann), "cut", "Import another file"),
    )
    for project, path, button in pages:
        async with visiting_as(await gitlab.member(project, 40)) as visit:
            await visit.open(f"/projects/{ann}/{path}")
            await expect(visit.page.get_by_role("button", name=button)).to_be_visible()
            await expect(visit.page.get_by_role("button", name="Delete")).to_have_count(0)


async def test_a_list_that_is_loaded_anew_keeps_what_somebody_has_asked_for(
    visit: Visit, gitlab: Instance, ann: str
) -> None:
    names = [f"p{number}" for number in range(51)]
    await asyncio.gather(*(gitlab.project(ann, name) for name in names))
    rows = visit.page.locator("[data-row]")
    await visit.open("/projects")
    await expect(rows).to_have_count(50)
    await visit.page.get_by_role("button", name="More").click()
    await expect(rows).to_have_count(51)
    await gitlab.imported(ann)
    await expect(rows.filter(has_text=f"{ann}/api-project")).to_contain_text("finished")
    await expect(rows).to_have_count(52)


async def test_projects_are_found_by_their_path_and_the_search_stands_in_the_address(
    visit: Visit, gitlab: Instance, ann: str
) -> None:
    await gitlab.imported(ann, path="wanted")
    await gitlab.imported(ann, path="other")
    await visit.open("/projects")
    rows = visit.page.locator("[data-row]")
    await expect(rows).to_have_count(2)
    await visit.page.get_by_placeholder("Search by path").fill("wanted")
    await visit.page.keyboard.press("Enter")
    await expect(rows).to_have_count(1)
    assert "search=wanted" in visit.page.url
    await visit.page.reload()
    await expect(rows).to_have_count(1)


async def test_the_address_of_a_project_leads_to_its_page(visit: Visit, gitlab: Instance, ann: str) -> None:
    await gitlab.imported(ann)
    await visit.page.goto(f"{visit.url}/{ann}/api-project")
    await expect(visit.page.get_by_role("heading", level=1)).to_have_text(f"{ann}/api-project")
    assert visit.page.url.endswith(f"/-/console/projects/{ann}/api-project")


async def test_who_may_not_see_a_project_learns_nothing_of_it_and_is_led_on(
    visiting_as: Visiting, gitlab: Instance, ann: str
) -> None:
    await gitlab.imported(ann)
    async with visiting_as(await gitlab.user("bob")) as visit:
        visit.expect("404")
        for path in ("api-project", "none-such"):
            await visit.page.goto(f"{visit.url}/{ann}/{path}")
            await expect(visit.page.get_by_role("heading", level=1)).to_have_text("No such project")
            await expect(visit.page.get_by_text(f"There is no project {ann}/{path}")).to_be_visible()
            await expect(visit.page.get_by_role("heading", name="Make it")).to_have_count(0)
        await visit.page.get_by_role("link", name="Look for it among the projects").click()
        assert visit.page.url.endswith("/projects?search=none-such")


async def test_where_no_project_is_who_may_import_there_is_told_how(
    visit: Visit, visiting_as: Visiting, gitlab: Instance, ann: str
) -> None:
    visit.expect("404")
    group = await gitlab.group(ann)
    may = {await gitlab.user("dev"): (30, 0), await gitlab.user("max"): (40, 1)}
    for name, (level, _) in may.items():
        user_id = await gitlab.user_id(name)
        await gitlab.made(f"/groups/{group['id']}/members", user_id=user_id, access_level=level)
    for namespace in (ann, group["full_path"]):
        await visit.open(f"/projects/{namespace}/none-such")
        command = f"crossdock import project_export.tar.gz --path {namespace}/none-such"
        await expect(visit.page.get_by_text(command)).to_be_visible()
    for name, (_, number) in may.items():
        async with visiting_as(name) as others:
            others.expect("404")
            async with others.page.expect_response("**/api/v4/groups?*") as answer:
                await others.open(f"/projects/{group['full_path']}/none-such")
            await (await answer.value).finished()
            await others.page.evaluate(DRAWN)
            await expect(others.page.get_by_role("heading", name="Make it")).to_have_count(number)


async def test_who_downloads_again_too_soon_is_told_when_it_works(
    visit: Visit, gitlab: Instance, ann: str
) -> None:
    await gitlab.exported(await gitlab.imported(ann), by=ann)
    await visit.open(f"/projects/{ann}/api-project")
    link = visit.page.get_by_role("button", name="Download the export")
    async with gitlab.settings(project_download_export_limit=2):
        for _ in range(2):
            async with visit.page.expect_download():
                await link.click()
        await link.click()
        told = visit.page.get_by_role("status").filter(has_text="2 downloads of a project in a minute.")
        await expect(told).to_contain_text(re.compile(r"Again in \d+ s\."))
