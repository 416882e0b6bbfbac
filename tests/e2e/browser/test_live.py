from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack

from playwright.async_api import Locator, Route, expect

from shared.jobs import store as jobs
from tests.e2e.browser.conftest import Visiting
from tests.support.browsed import many, running
from tests.support.browser import Late, Visit
from tests.support.instance import Instance
from tests.support.waiting import until

ALONE = "delete window.SharedWorker"
STREAMS = "**/api/crossdock/v1/events*"


async def _seen_in_time(what: Locator) -> None:
    """Let the time of the page pass, by more than goes by here, until something is seen."""

    async def seen() -> bool:
        await what.page.clock.fast_forward(1000)
        return await what.is_visible()

    await until(seen)


async def test_a_browser_without_shared_workers_is_live_all_the_same(
    visit: Visit, gitlab: Instance, ann: str
) -> None:
    await visit.page.add_init_script(ALONE)
    await visit.open("/jobs")
    await expect(visit.page.locator(".connection.live")).to_be_visible()
    await gitlab.imported(ann)
    await expect(visit.page.get_by_role("link", name=f"{ann}/api-project")).to_be_visible()


async def test_a_lost_connection_says_so_and_what_was_missed_comes_when_it_is_back(
    visit: Visit, gitlab: Instance, ann: str
) -> None:
    visit.expect("/events|ERR_")

    await visit.take_clock()
    await visit.page.add_init_script(ALONE)
    await visit.page.route(STREAMS, _refused)
    await visit.open("/jobs")
    await _seen_in_time(visit.page.get_by_text("The connection was lost."))
    await gitlab.imported(ann)
    await visit.page.unroute(STREAMS)
    await visit.page.get_by_role("button", name="Try now").click()
    await expect(visit.page.locator(".connection.live")).to_be_visible()
    await expect(visit.page.get_by_text("The connection was lost.")).to_be_hidden()
    await expect(visit.page.get_by_role("link", name=f"{ann}/api-project")).to_be_visible()


async def test_a_page_that_could_not_be_loaded_is_loaded_once_the_connection_is_back(
    visit: Visit, ann: str
) -> None:
    visit.expect("ERR_CONNECTION_REFUSED")
    groups, refuse = "**/api/v4/groups?*", _refused
    page, alert = visit.page, visit.page.get_by_role("alert")
    await page.add_init_script(ALONE)
    await page.route(STREAMS, refuse)
    await page.route(groups, refuse)
    await visit.open("/people")
    await expect(alert).to_contain_text("The server does not answer.")
    await alert.get_by_role("button", name="Try now").click()
    await expect(alert).to_contain_text("The server does not answer.")
    await page.unroute(groups)
    await page.unroute(STREAMS)
    await expect(page.get_by_role("heading", name="No groups yet")).to_be_visible()


async def _refused(route: Route) -> None:
    await route.abort("connectionrefused")


async def test_what_an_export_changes_on_the_page_of_its_project_changes_without_a_pause(
    visit: Visit, gitlab: Instance, ann: str
) -> None:
    await gitlab.imported(ann)
    page, told = visit.page, visit.page.get_by_role("status")
    await visit.forbid_waits()
    await visit.open(f"/projects/{ann}/api-project")
    jobs_of = page.get_by_role("table", name="Jobs of this project").locator("[data-row]")
    await expect(jobs_of).to_have_count(1)
    await page.get_by_role("button", name="Export now").click()
    await expect(told.filter(has_text=f"Export of {ann}/api-project has finished.")).to_be_visible()
    await expect(page.get_by_role("button", name="Download the export")).to_be_visible()
    await expect(page.get_by_role("button", name="Export now")).to_be_visible()
    await expect(jobs_of.first).to_contain_text(re.compile("Export.*finished"))


async def test_what_a_job_changes_among_all_jobs_changes_without_a_pause(
    visit: Visit, gitlab: Instance, ann: str
) -> None:
    lease = await running(gitlab, ann)
    tile = visit.page.locator(".tile").filter(has=visit.page.get_by_role("heading", name="Moved today"))
    row = visit.page.locator("[data-row]").filter(has_text=f"{ann}/large")
    await visit.forbid_waits()
    await visit.open("/jobs")
    await expect(row).to_contain_text("running")
    await expect(tile).to_contain_text("0 finished")
    await visit.page.route(f"**/jobs/{lease.job_id}", shown_late := Late())
    await jobs.finish(gitlab.pool, lease, progress={"bytes_done": 905_000_000, "bytes_total": 905_000_000})
    await expect(tile).to_contain_text("1 finished")
    await expect(row.locator("small").last).to_have_text("905 MB")  # for how long it ran is not known yet
    shown_late.end.set()
    await expect(row.locator("small").last).to_contain_text("905 MB in ")
    await gitlab.imported(ann)
    await expect(visit.page.locator("[data-row]").first).to_contain_text(f"{ann}/api-project")
    await expect(tile).to_contain_text("2 finished")


async def test_many_news_are_a_few_loads_at_once_and_then_one_in_a_while(visit: Visit) -> None:
    await visit.open("/none")
    asked = "const calls = []; const { ask, stop } = all.paced(() => { calls.push(0); }, 60_000);"
    ask = "for (let n = 0; n < 100; n++) { ask(); await null; await null; await null; }"
    script = "import(`${document.documentElement.dataset.static}/paced.mjs`)"
    told = f"{script}.then(async (all) => {{ {asked} {ask} stop(); return calls.length; }})"
    assert await visit.page.evaluate(told) == 4


async def test_who_has_too_many_streams_is_told_and_may_try_again(
    visiting_as: Visiting, gitlab: Instance, ann: str
) -> None:
    async with AsyncExitStack() as streams, visiting_as(ann) as visit:
        visit.expect("status of 429")
        headers = {"PRIVATE-TOKEN": gitlab.tokens[ann]}
        for _ in range(20):
            stream = gitlab.session.get(f"{gitlab.url}/api/crossdock/v1/events", headers=headers)
            assert (await streams.enter_async_context(stream)).status == 200
        await visit.take_clock()
        await visit.page.add_init_script(ALONE)
        await visit.open("/jobs")
        await expect(visit.page.get_by_text("too many windows open")).to_be_visible()
        await expect(visit.page.get_by_text("Trying again in")).to_be_visible()
        await streams.aclose()
        await _seen_in_time(visit.page.locator(".connection.live"))


async def test_a_page_that_nobody_touches_keeps_a_bounded_number_of_rows(
    visit: Visit, gitlab: Instance, ann: str
) -> None:
    await visit.open("/jobs")
    rows = visit.page.locator("[data-row]")
    for path, number in (("a", 50), ("b", 100), ("c", 150), ("d", 200), ("e", 50)):
        await many(gitlab, ann, 50, path=path)
        await expect(rows.filter(has_text=f"{ann}/{path}")).to_have_count(50)
        await expect(rows).to_have_count(number)
    await asyncio.gather(*(expect(rows.nth(n)).to_contain_text(f"{ann}/e") for n in (0, 49)))
