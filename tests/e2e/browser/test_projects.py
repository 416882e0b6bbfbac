from __future__ import annotations

from playwright.async_api import expect

from tests.e2e.browser.conftest import Visiting
from tests.support.browser import Visit
from tests.support.instance import Instance


async def test_who_has_no_project_is_told_how_to_import_one(visit: Visit, ann: str) -> None:
    await visit.open("/projects")
    await expect(visit.page.get_by_role("heading", name="No projects yet")).to_be_visible()
    await expect(
        visit.page.get_by_text(f"crossdock import project_export.tar.gz --path {ann}")
    ).to_be_visible()


async def test_a_project_is_exported_from_the_list_and_downloaded_from_its_page(
    visit: Visit, gitlab: Instance, ann: str
) -> None:
    await gitlab.imported(ann)
    page = visit.page
    await visit.open("/projects")
    row = page.get_by_role("table", name="Projects").locator("[data-row]")
    await expect(row).to_contain_text("never")
    await page.get_by_role("button", name="Export now").click()
    await expect(row).not_to_contain_text("never")
    await row.get_by_role("link", name=f"{ann}/api-project").click()
    async with page.expect_download() as waiting:
        await page.get_by_role("button", name="Download the export").click()
    assert (await waiting.value).suggested_filename.endswith("_export.tar.gz")
    jobs = page.get_by_role("table", name="Jobs of this project").locator("[data-row]")
    await expect(jobs).to_have_count(2)


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
            command = f"crossdock import project_export.tar.gz --path {ann}/{path}"
            await expect(visit.page.get_by_text(command)).to_be_visible()
        await visit.page.get_by_role("link", name="Look for it among the projects").click()
        assert visit.page.url.endswith("/projects?search=none-such")
