from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.e2e.browser.conftest import Visiting
from tests.support.browsed import failed, many, moved, running
from tests.support.browser import Visit
from tests.support.instance import Instance


async def test_a_job_comes_runs_and_ends_without_a_reload(visit: Visit, gitlab: Instance, ann: str) -> None:
    await visit.open("/jobs")
    await expect(visit.page.get_by_text("No jobs yet")).to_be_visible()
    await gitlab.imported(ann)
    row = visit.page.get_by_role("row").filter(has_text=f"{ann}/api-project")
    await expect(row).to_contain_text("finished")
    heading = visit.page.get_by_role("columnheader", name="Actions").locator("span")
    box = await heading.bounding_box()
    assert box
    assert (box["width"], box["height"]) <= (1, 1)  # it is heard, and not seen above rows that have none


async def test_a_failed_job_says_what_it_means_and_leads_to_more(
    visit: Visit, gitlab: Instance, ann: str
) -> None:
    await failed(gitlab, ann)
    await visit.open("/jobs")
    row = visit.page.get_by_role("row").filter(has_text=f"{ann}/cut")
    await expect(row).to_contain_text("failed")
    await expect(row).to_contain_text("The archive")
    await row.get_by_role("link", name="What happened").click()
    await expect(visit.page.get_by_role("alert")).to_contain_text("Do this:")
    await expect(visit.page.get_by_role("alert").get_by_role("link")).to_have_attribute(
        "href", "/problems/archive_invalid"
    )


async def test_filters_are_in_the_address_and_hold_after_a_reload(
    visit: Visit, gitlab: Instance, ann: str
) -> None:
    await failed(gitlab, ann)
    await gitlab.imported(ann)
    await visit.open("/jobs")
    await expect(visit.page.locator("[data-row]")).to_have_count(2)
    await visit.page.get_by_label("State").select_option("failed")
    await expect(visit.page.locator("[data-row]")).to_have_count(1)
    await visit.page.reload()
    await expect(visit.page.locator("[data-row]")).to_have_count(1)
    await visit.page.get_by_label("Search a project").fill("none-such")
    await expect(visit.page.get_by_text("Nothing matches these filters")).to_be_visible()
    await visit.page.get_by_role("link", name="Clear the filters").click()
    await expect(visit.page.locator("[data-row]")).to_have_count(2)


async def test_a_running_job_shows_how_far_it_is_and_is_canceled_after_a_question(
    visit: Visit, gitlab: Instance, ann: str
) -> None:
    lease = await running(gitlab, ann)
    await visit.open("/jobs")
    row = visit.page.get_by_role("row").filter(has_text=f"{ann}/large")
    await moved(gitlab, lease, done=1_860_000_000, total=3_000_000_000)
    await expect(row).to_contain_text("1.86 of 3.00 GB")
    await row.get_by_role("button", name="Cancel").click()
    await visit.page.get_by_role("button", name="Keep it as it is").click()
    await expect(row).to_contain_text("running")
    await expect(row.get_by_role("button", name="Cancel")).to_be_focused()
    await row.get_by_role("button", name="Cancel").click()
    await visit.page.get_by_role("button", name="Cancel the job").click()
    await expect(row).to_contain_text("canceled")


async def test_a_job_is_found_opened_and_canceled_by_the_keyboard_alone(
    visit: Visit, gitlab: Instance, ann: str
) -> None:
    await running(gitlab, ann, "first")
    await running(gitlab, ann, "second")
    await visit.open("/jobs")
    await expect(visit.page.locator("[data-row]")).to_have_count(2)
    keyboard = visit.page.keyboard
    await keyboard.press("j")
    await expect(visit.page.get_by_role("link", name=f"{ann}/second")).to_be_focused()
    await keyboard.press("j")
    await keyboard.press("c")
    await expect(visit.page.get_by_role("button", name="Keep it as it is")).to_be_focused()
    await keyboard.press("Tab")
    await keyboard.press("Enter")
    first = visit.page.get_by_role("row").filter(has_text=f"{ann}/first")
    await expect(first).to_contain_text("canceled")
    await expect(visit.page.get_by_role("dialog")).to_be_hidden()
    await expect(visit.page.get_by_role("link", name=f"{ann}/first")).to_be_focused()
    await keyboard.press("/")
    await expect(visit.page.get_by_label("Search a project")).to_be_focused()
    await keyboard.press("Escape")
    await keyboard.press("j")
    await keyboard.press("Enter")
    await expect(visit.page.get_by_role("heading", level=1, name="second")).to_be_focused()


async def test_jobs_that_come_while_somebody_reads_further_down_are_counted(
    visit: Visit, gitlab: Instance, ann: str
) -> None:
    await many(gitlab, ann, 60)
    await visit.open("/jobs")
    await expect(visit.page.locator("[data-row]")).to_have_count(50)
    await visit.page.get_by_role("button", name="Older jobs").click()
    await expect(visit.page.locator("[data-row]")).to_have_count(60)
    await visit.page.evaluate("scrollTo(0, 1000)")
    await gitlab.imported(ann)
    button = visit.page.get_by_role("button", name="1 new job, show")
    await expect(button).to_have_count(1)
    await button.click()
    await expect(visit.page.locator("[data-row]").first).to_contain_text(f"{ann}/api-project")


async def test_of_ten_thousand_jobs_no_more_is_drawn_than_of_fifty(
    visiting_as: Visiting, gitlab: Instance, ann: str
) -> None:
    await many(gitlab, ann, 10_000)
    async with visiting_as(ann) as visit:
        await visit.open("/jobs")
        await expect(visit.page.locator("[data-row]")).to_have_count(50)
        nodes = await visit.page.evaluate("document.querySelectorAll('*').length")
        assert nodes < 2500


@pytest.mark.parametrize("path", ["/jobs/999999999", "/jobs/none"])
async def test_a_job_that_nobody_has_is_not_shown(visit: Visit, path: str) -> None:
    visit.expect("status of 404")
    await visit.open(path)
    await expect(visit.page.get_by_role("alert")).to_contain_text("no such job")
