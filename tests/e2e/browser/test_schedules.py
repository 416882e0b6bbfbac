from __future__ import annotations

from typing import Any

from playwright.async_api import Locator, expect

from tests.support.browser import Visit
from tests.support.buckets import made_bucket
from tests.support.instance import Instance
from tests.support.seaweedfs import S3Server


async def filled(dialog: Locator, **values: str) -> None:
    """Fill the fields of a form in, and send it."""
    for name, value in values.items():
        await dialog.locator(f"[name={name}]").fill(value)
    await dialog.get_by_role("button", name="Make it").click()
    await expect(dialog).to_have_count(0)


async def test_who_has_no_schedule_is_told_how_to_make_one(visit: Visit) -> None:
    await visit.open("/schedules")
    await expect(visit.page.get_by_role("heading", name="No schedules yet")).to_be_visible()
    await expect(visit.page.get_by_text("crossdock schedules create nightly --to vault")).to_be_visible()
    await expect(visit.page.get_by_text("crossdock destinations create-gitlab forge")).to_be_visible()


async def test_backups_are_set_up_and_run_without_the_command_line(
    visit: Visit, gitlab: Instance, ann: str, s3_server: S3Server
) -> None:
    await made_bucket(s3_server)
    await gitlab.imported(ann)
    page, dialog = visit.page, visit.page.locator("dialog")
    await visit.open("/schedules")
    await page.get_by_role("button", name="New destination").click()
    await filled(
        dialog,
        name="vault",
        endpoint=s3_server.endpoint,
        bucket=s3_server.bucket,
        prefix=ann,
        access_key_id=s3_server.access_key,
        secret_access_key=s3_server.secret_key,
    )
    works = page.get_by_text("vault works: an object was written and deleted.")
    await expect(works).to_be_visible()
    await page.get_by_role("button", name="Close this message").click()
    await page.get_by_role("button", name="Test vault").click()
    await expect(works).to_be_visible()
    await page.get_by_role("button", name="New schedule").click()
    await filled(dialog, name="nightly")
    await page.get_by_role("link", name="nightly").click()
    await expect(page.get_by_text("None yet. The first one comes at its time")).to_be_visible()
    await page.get_by_role("button", name="Run now").click()
    await page.get_by_role("link", name="Show it").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("finished", timeout=60_000)
    row = page.get_by_role("table", name="Projects of the run").locator("[data-row]")
    await expect(row).to_contain_text(f"{ann}/api-project")
    await expect(row).to_contain_text("done")


async def test_a_destination_that_does_not_work_yet_is_made_and_says_why(
    visit: Visit, gitlab: Instance, ann: str
) -> None:
    visit.expect("status of 4")
    page, dialog = visit.page, visit.page.locator("dialog")
    await visit.open("/schedules")
    await page.get_by_role("button", name="New destination").click()
    await dialog.get_by_label("What it is").select_option("another Crossdock")
    await filled(dialog, name="far", url="https://127.0.0.1:9", token="t")
    await expect(page.get_by_text("far is made, and does not work yet:")).to_be_visible()
    await expect(page.get_by_role("table", name="Destinations")).to_contain_text("far")
    await page.get_by_role("button", name="New schedule").click()
    await expect(dialog.get_by_label("Keep the newest")).to_have_count(0)  # projects there stay
    await filled(dialog, name="copies")
    await expect(page.get_by_role("link", name="copies")).to_be_visible()


async def test_an_address_that_needs_a_setting_is_refused_with_its_name(visit: Visit, ann: str) -> None:
    visit.expect("status of 4")
    page, dialog = visit.page, visit.page.locator("dialog")
    await visit.open("/schedules")
    await page.get_by_role("button", name="New destination").click()
    await dialog.get_by_label("What it is").select_option("another Crossdock")
    for name, value in {"name": "far", "url": "http://crossdock.example.com", "token": "t"}.items():
        await dialog.locator(f"[name={name}]").fill(value)
    await dialog.get_by_role("button", name="Make it").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("CROSSDOCK_ALLOW_HTTP_REMOTE_IMPORTS")


async def test_a_schedule_is_paused_and_goes_when_it_is_deleted(
    visit: Visit, gitlab: Instance, ann: str
) -> None:
    page = visit.page
    await made_schedule(gitlab, ann)
    await visit.open("/schedules")
    await page.get_by_role("link", name="weekly").click()
    await page.get_by_role("button", name="Pause").click()
    await expect(page.get_by_text("It is paused: nothing is backed up")).to_be_visible()
    await page.get_by_role("button", name="Resume").click()
    await expect(page.get_by_text("It is paused")).to_have_count(0)
    await page.get_by_role("button", name="Delete").click()
    await page.locator("dialog").get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("heading", name="No schedules yet")).to_be_visible()


async def test_why_a_run_failed_as_a_whole_stands_in_the_list(
    visit: Visit, gitlab: Instance, ann: str
) -> None:
    group = await gitlab.group(ann)
    given = {"group": group["full_path"], "cron": "@yearly"}
    await made_schedule(gitlab, ann, **given)
    assert (await gitlab.call("DELETE", f"/groups/{group['id']}", by=ann)).status == 202
    await visit.open("/schedules")
    await visit.page.get_by_role("link", name="weekly").click()
    await visit.page.get_by_role("button", name="Run now").click()
    runs = visit.page.get_by_role("table", name="Runs").locator("[data-row]")
    await expect(runs).to_contain_text("Group Not Found", timeout=20_000)
    await expect(runs).to_contain_text("failed")


async def made_schedule(gitlab: Instance, owner: str, **more: Any) -> None:
    """A schedule whose destination nobody asks for anything."""
    place = {"name": "far", "kind": "crossdock", "url": "https://127.0.0.1:9", "token": "t"}
    made = await made_own(gitlab, owner, "destinations", place)
    given = {"name": "weekly", "cron": "@weekly", "destination_id": made["id"]} | (more or {"all": True})
    await made_own(gitlab, owner, "schedules", given)


async def made_own(gitlab: Instance, owner: str, what: str, given: dict[str, Any]) -> Any:
    """POST below /api/crossdock/v1."""
    address, headers = f"{gitlab.url}/api/crossdock/v1/{what}", {"PRIVATE-TOKEN": gitlab.tokens[owner]}
    async with gitlab.session.post(address, headers=headers, json=given) as answer:
        assert answer.status == 201, await answer.text()
        return await answer.json()
