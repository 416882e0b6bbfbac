from __future__ import annotations

import re

from playwright.async_api import expect

from tests.e2e.browser.conftest import Visiting
from tests.e2e.browser.test_formats import evaluate
from tests.support.browser import Visit
from tests.support.instance import ROOT
from tests.support.release import VERSION

PICTURE = re.compile(
    r"API: answers; Queue: \d+ waiting; Workers: \d+ jobs? at work; Database: answers; Storage"
)


async def test_an_administrator_sees_the_parts_and_the_workers(visiting_as: Visiting) -> None:
    async with visiting_as(ROOT) as visit:
        page = visit.page
        await visit.open("/system")
        await expect(
            page.get_by_text("All is well. This process, Database, Queue and Storage answer.")
        ).to_be_visible()
        picture = page.get_by_role("img", name="The parts of the system.")
        await expect(picture).to_have_accessible_name(PICTURE)
        workers = page.get_by_role("table", name="Workers that were seen").locator("[data-row]")
        await expect(workers.first).to_contain_text(VERSION)
        versions = page.locator(".facts").filter(has_text="Postgres")
        told = re.compile(rf"Crossdock\s*{re.escape(VERSION)}\s*Speaks\s*the API of GitLab 18\.9\.0")
        await expect(versions).to_contain_text(told)
        await expect(
            page.get_by_text("None. A message that no worker could process would stand here.")
        ).to_be_visible()


async def test_on_a_phone_the_parts_come_first_and_what_is_empty_or_long_is_folded(
    visiting_as: Visiting,
) -> None:
    async with visiting_as(ROOT, width="narrow") as visit:
        page = visit.page
        await visit.open("/system")
        told = page.locator("main .facts").first
        await expect(told).to_contain_text(re.compile("This process.*answers.*Database.*answers"))
        top = await told.bounding_box()
        assert top
        assert top["y"] + top["height"] < 740
        await expect(page.get_by_role("link", name="Licences")).to_be_hidden()
        empty = page.get_by_role("table", name="Empty queues")
        await expect(empty).to_be_hidden()
        await page.locator("summary").filter(has_text="empty queue").click()
        await expect(empty.locator("[data-row]").filter(has_text="Backup")).to_be_visible()
        assert not await visit.overflows()


async def test_of_dead_letters_in_memory_no_command_is_shown(visiting_as: Visiting) -> None:
    # From outside, nothing makes one in a standalone.
    letter = {"queue": "import", "reason": "broken", "id": None, "size": 2, "body": "{}"}
    answer = {"dead_letters": [letter], "partial": False}
    async with visiting_as(ROOT) as visit:
        await visit.page.route("**/system/dead-letters", lambda route: route.fulfill(json=answer))
        await visit.open("/system")
        await expect(visit.page.get_by_text("A standalone keeps them in its memory")).to_be_visible()
        await expect(visit.page.get_by_text("crossdock dead-letters")).to_have_count(0)


async def test_who_is_no_administrator_is_told_so_on_the_page_of_the_system(visit: Visit) -> None:
    visit.expect("403")
    await visit.open("/system")
    await expect(visit.page.get_by_text("Your role does not allow to see the system.")).to_be_visible()
    await expect(visit.page.get_by_role("link", name="System")).to_have_count(0)


async def test_tasks_and_kinds_have_the_words_of_other_pages(visit: Visit) -> None:
    await visit.open("/none")
    told = await evaluate(visit, "system", 'taskWord("Requeue.publish")')
    assert told == "Put jobs into the queue that are due"
    assert await evaluate(visit, "system", 'taskWord("Collector.collect_objects")') == "Collect objects"
    assert await evaluate(visit, "system", 'slotWord("relation_import")') == "import of one part"
