"""What follows an import that failed: why is told once, and what one may do is at hand."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.e2e.browser.conftest import Visiting
from tests.support.browsed import LEFT_OUT, failed, own, running
from tests.support.browser import Visit
from tests.support.instance import Instance
from tests.support.origin import Origin


@pytest_asyncio.fixture(loop_scope="session")
async def pages(gitlab: Instance, ann: str) -> dict[str, str]:
    """The pages of an import that failed, and of its project."""
    await failed(gitlab, ann)
    (job,) = await own(gitlab, "/jobs", by=ann)
    return {
        "job": f"/jobs/{job['id']}",
        "project": f"/projects/{ann}/cut",
        "error": job["error"].partition(" - ")[2],
    }


@pytest.mark.parametrize("page", ["job", "project"])
async def test_why_an_import_failed_is_told_once_on_the_page_of_its(
    visit: Visit, pages: dict[str, str], page: str
) -> None:
    await visit.open(pages[page])
    await expect(visit.page.get_by_role("button", name="Import another file")).to_be_visible()
    text = await visit.page.locator("main").inner_text()
    assert text.count(pages["error"]) == 1
    assert text.count("archive_truncated") + text.count("archive_invalid") == 1
    await expect(visit.page.get_by_role("button", name="again")).to_have_count(0)  # it cannot help


async def test_the_list_tells_how_an_archive_is_broken(visit: Visit, gitlab: Instance, ann: str) -> None:
    await failed(gitlab, ann, "empty", archive=b"")
    await failed(gitlab, ann, "text", archive=gzip.compress(b"x" * 512))
    await visit.open("/jobs")
    rows = visit.page.get_by_role("table", name="Jobs").get_by_role("row")
    await expect(rows.filter(has_text=f"{ann}/empty")).to_contain_text("The file is empty.")
    broken = rows.filter(has_text=f"{ann}/text")
    await expect(broken).to_contain_text("The archive is broken: not a tar archive.")
    await expect(rows.filter(has_text="repository")).to_have_count(0)


@pytest.mark.parametrize("page", ["job", "project"])
async def test_another_file_is_imported_into_what_has_failed_from_the_page_of_its(
    visit: Visit, pages: dict[str, str], ann: str, tmp_path: Path, page: str
) -> None:
    path = tmp_path / "whole.tar.gz"
    path.write_bytes(LEFT_OUT)
    await visit.open(pages[page])
    await visit.page.get_by_role("button", name="Import another file").click()
    await expect(visit.page.get_by_label("Path")).to_have_value("cut")
    await visit.page.locator("label.drop input").set_input_files(path)
    await visit.page.get_by_role("button", name="Import", exact=True).click()
    await expect(visit.page.get_by_role("heading", level=1)).to_contain_text("finished")
    await visit.open(f"/projects/{ann}/cut")
    await expect(visit.page.get_by_role("table", name="Kinds of records")).to_be_visible()
    await visit.open(pages["job"])
    await expect(visit.page.get_by_role("heading", level=1)).to_contain_text("failed")
    await expect(visit.page.get_by_role("button", name="Delete")).to_have_count(0)  # it has content now


async def test_the_empty_project_is_deleted_after_a_question(
    visit: Visit, gitlab: Instance, ann: str, pages: dict[str, str]
) -> None:
    await visit.open(pages["job"])
    await visit.page.get_by_role("button", name="Delete the empty project").click()
    await visit.page.get_by_role("button", name="Keep it as it is").click()
    assert (await gitlab.get(f"/projects/{ann}%2Fcut", by=ann)).status == 200
    await visit.page.get_by_role("button", name="Delete the empty project").click()
    await visit.page.get_by_role("button", name="Delete it", exact=True).click()
    await expect(visit.page.get_by_role("heading", name="No projects yet")).to_be_visible()
    assert (await gitlab.get(f"/projects/{ann}%2Fcut", by=ann)).status == 404


async def test_an_import_that_was_canceled_is_told_on_the_page_of_its_project(
    visit: Visit, gitlab: Instance, ann: str
) -> None:
    lease = await running(gitlab, ann)
    await visit.open(f"/projects/{ann}/large")
    await expect(visit.page.get_by_text("Its content is on its way")).to_be_visible()
    await visit.page.get_by_role("link", name="see how far the import is").click()
    await visit.page.get_by_role("button", name="Cancel").click()
    await visit.page.get_by_role("button", name="Cancel the job").click()
    await expect(visit.page.get_by_role("heading", level=1)).to_contain_text("canceled")
    for path in (f"/jobs/{lease.job_id}", f"/projects/{ann}/large"):
        await visit.open(path)
        await expect(visit.page.get_by_text("It had no effect.")).to_be_visible()
        await expect(visit.page.get_by_role("button", name="Import another file")).to_be_visible()


@pytest.mark.parametrize(("width", "scheme"), [("narrow", "light"), ("wide", "dark")])
async def test_what_follows_a_failed_import_can_be_used_by_everybody_in(
    visiting_as: Visiting, pages: dict[str, str], ann: str, width: str, scheme: str
) -> None:
    async with visiting_as(ann, width=width, scheme=scheme) as visit:
        for page in ("job", "project"):
            await visit.open(pages[page])
            await expect(visit.page.get_by_role("button", name="Import another file")).to_be_visible()
            await visit.look(f"failed-{page}-{width}-{scheme}")
            assert (await visit.violations(), await visit.overflows()) == ([], False)


async def test_an_import_that_may_succeed_later_is_done_again_by_a_key(
    visit: Visit, origin: Origin, ann: str
) -> None:
    origin.is_lost = True
    await visit.open("/import?from=url")
    await visit.page.get_by_label("Address of the archive").fill(origin.url)
    await visit.page.get_by_label("Path").fill("later")
    await visit.page.get_by_role("button", name="Import", exact=True).click()
    heading = visit.page.get_by_role("heading", level=1)
    await expect(heading).to_contain_text("failed", timeout=30_000)
    origin.is_lost = False
    await visit.open(f"/projects/{ann}/later")
    await visit.page.get_by_role("link", name="its import").click()
    await expect(visit.page.get_by_role("button", name="Retry")).to_be_visible()
    await visit.page.keyboard.press("r")
    await visit.page.locator("dialog").get_by_role("button", name="Retry").click()
    await expect(heading).to_contain_text("finished", timeout=30_000)
    about = visit.page.locator("main p.quiet").filter(has_text="A retry of job")
    await about.get_by_role("link", name="job").click()
    await expect(heading).to_contain_text("failed")
    await expect(visit.page.get_by_text("Retried as job")).to_be_visible()
