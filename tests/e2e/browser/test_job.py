from __future__ import annotations

import json
import re
from pathlib import Path

from playwright.async_api import expect

from tests.support.browsed import LEFT_OUT, moved, running
from tests.support.browser import Visit
from tests.support.instance import Instance


def relations_in(lines: Path) -> list[str]:
    return [json.loads(line)["relation_name"] for line in lines.read_text().splitlines()]


async def opened(visit: Visit, project: str) -> None:
    """Open the job of a project, from the list."""
    await visit.open("/jobs")
    await visit.page.get_by_role("link", name=project, exact=True).first.click()
    await expect(visit.page.get_by_role("heading", level=1)).to_contain_text(project)


async def test_what_was_left_out_is_listed_and_can_be_downloaded(
    visit: Visit, gitlab: Instance, ann: str
) -> None:
    await gitlab.imported(ann, LEFT_OUT)
    await opened(visit, f"{ann}/api-project")
    table = visit.page.get_by_role("table", name="What was left out")
    await expect(table.locator("[data-row] td:nth-child(2)")).to_have_text(["3", "4"])  # as an editor counts
    await expect(visit.page.get_by_role("table", name="Kinds of records")).to_contain_text("Issues")
    async with visit.page.expect_download() as waiting:
        await visit.page.get_by_role("link", name="Download all as JSON lines").click()
    assert relations_in(Path(await (await waiting.value).path())) == ["issues"] * 2


async def test_what_happened_is_told_in_its_order(visit: Visit, gitlab: Instance, ann: str) -> None:
    await gitlab.imported(ann)
    await opened(visit, f"{ann}/api-project")
    told = visit.page.locator(".timeline li")
    await expect(told).to_have_count(3)
    words = [text.split(maxsplit=1)[1] for text in await told.all_inner_texts()]
    assert words == ["Asked for", "Started", "Finished"]


async def test_an_export_is_watched_and_downloaded(visit: Visit, gitlab: Instance, ann: str) -> None:
    project = await gitlab.imported(ann)
    await gitlab.exported(project, by=ann)
    await visit.open("/jobs?kind=export")
    await visit.page.locator("[data-row]").get_by_role("link").first.click()
    async with visit.page.expect_download() as waiting:
        await visit.page.get_by_role("button", name="Download", exact=True).click()
    assert (await waiting.value).suggested_filename.endswith("_export.tar.gz")


async def test_a_running_job_moves_and_is_canceled_by_a_key(visit: Visit, gitlab: Instance, ann: str) -> None:
    lease = await running(gitlab, ann)
    await opened(visit, f"{ann}/large")
    await moved(gitlab, lease, done=500_000_000, total=2_000_000_000)
    await expect(visit.page.get_by_text("0.50 of 2.00 GB")).to_be_visible()
    await expect(visit.page.locator(".steps .now")).to_contain_text("Read")
    await moved(gitlab, lease, done=900_000_000, total=2_000_000_000, rate=48_000_000)
    chart = visit.page.get_by_role("img", name="Rate in the last")
    await expect(chart).to_have_accessible_name(re.compile("now 48.0 MB/s, highest 96.0 MB/s$"))
    await visit.page.keyboard.press("c")
    await visit.page.get_by_role("button", name="Cancel the job").click()
    await expect(visit.page.get_by_role("heading", level=1)).to_contain_text("canceled")
    await expect(visit.page.locator("main p.quiet").first).to_contain_text(f"Canceled by {ann}.")
    await visit.page.reload()
    kinds = visit.page.get_by_role("table", name="Kinds of records")
    await expect(kinds.get_by_role("row").filter(has_text="Issues")).to_contain_text("118")
    await expect(
        kinds.get_by_role("columnheader", name="Read")
    ).to_be_visible()  # of what was canceled, nothing is kept
    await expect(kinds.get_by_role("columnheader", name="Kept")).to_have_count(0)
