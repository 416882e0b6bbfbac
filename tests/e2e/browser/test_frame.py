from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.e2e.browser.conftest import Visiting
from tests.support.browsed import own
from tests.support.browser import Visit
from tests.support.instance import ROOT, Instance


async def test_who_opens_the_address_of_the_server_signs_in_and_sees_the_jobs(
    visiting_as: Visiting, gitlab: Instance, ann: str
) -> None:
    async with visiting_as() as visit:
        await visit.page.goto(gitlab.url)
        await visit.page.get_by_label("Personal access token").fill(gitlab.tokens[ann])
        await visit.page.keyboard.press("Enter")
        await expect(visit.page.get_by_role("heading", name="No jobs yet")).to_be_visible()
        assert visit.page.url.endswith("/-/console/jobs")
        command = visit.page.get_by_text(f"crossdock import project_export.tar.gz --path {ann}/project")
        await expect(command).to_be_visible()


async def test_a_token_that_is_none_is_refused_in_words(visiting_as: Visiting) -> None:
    async with visiting_as() as visit:
        visit.expect(r"status of 401")
        await visit.open("/jobs")
        await visit.page.get_by_label("Personal access token").fill("glpat-unknown")
        await visit.page.get_by_role("button", name="Sign in").click()
        await expect(visit.page.get_by_role("alert")).to_contain_text("unknown, expired or revoked")


async def test_who_signs_out_sees_nothing_any_more(visit: Visit) -> None:
    await visit.open("/jobs")
    await visit.page.locator("details.account summary").click()
    await visit.page.get_by_role("button", name="Sign out").click()
    await expect(visit.page.get_by_role("heading", name="Sign in")).to_be_visible()
    await visit.page.reload()
    await expect(visit.page.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_who_may_only_look_has_no_buttons_that_write(
    visiting_as: Visiting, gitlab: Instance, ann: str
) -> None:
    await gitlab.imported(ann)
    await gitlab.token(ann, await gitlab.user_id(ann), "read_api")
    async with visiting_as(ann) as visit:
        await visit.open("/import")
        await expect(visit.page.get_by_text("may only look")).to_be_visible()


async def test_the_title_and_the_focus_follow_the_page(visit: Visit) -> None:
    await visit.open("/jobs")
    assert await visit.page.title() == "Jobs · Crossdock"
    await visit.page.get_by_role("navigation").get_by_role("link", name="Schedules").click()
    await expect(visit.page.get_by_role("heading", level=1)).to_be_focused()
    assert await visit.page.title() == "Schedules · Crossdock"
    await visit.page.go_back()
    await expect(visit.page.get_by_role("heading", level=1, name="Jobs")).to_be_focused()


async def test_an_address_without_a_page_says_so_and_leads_on(visit: Visit) -> None:
    await visit.open("/none")
    await expect(visit.page.get_by_role("heading", name="No such page")).to_be_visible()
    await visit.page.get_by_role("link", name="See what runs").click()
    await expect(visit.page.get_by_role("heading", level=1, name="Jobs")).to_be_focused()


async def test_a_page_that_cannot_be_loaded_says_so_in_words(visit: Visit) -> None:
    visit.expect("pages/schedules.mjs")
    await visit.page.route("**/pages/schedules.mjs", lambda route: route.abort("connectionrefused"))
    await visit.open("/jobs")
    await visit.page.get_by_role("navigation").get_by_role("link", name="Schedules").click()
    await expect(visit.page.get_by_role("alert")).to_have_text(
        "The server does not answer. Check the connection, then try again."
    )
    await visit.page.unroute("**/pages/schedules.mjs")
    await visit.page.get_by_role("button", name="Try again").click()
    await expect(visit.page.get_by_role("heading", level=1, name="Schedules")).to_be_visible()


@pytest.mark.parametrize("width", ["middle", "narrow"])
async def test_where_there_is_no_room_for_the_pages_a_button_shows_them(
    visiting_as: Visiting, width: str
) -> None:
    async with visiting_as(ROOT, width=width) as visit:
        page = visit.page
        await visit.open("/jobs")
        assert await page.evaluate("document.querySelector('header.frame').offsetHeight") < 64
        pages, menu = page.get_by_role("navigation"), page.get_by_role("button", name="Menu")
        await expect(pages).to_be_hidden()
        await menu.press("Enter")
        await expect(menu).to_have_attribute("aria-expanded", "true")
        await visit.look(f"menu-{width}")
        assert await visit.violations() == []
        await page.keyboard.press("Tab")
        await page.keyboard.press("Escape")
        await expect(pages).to_be_hidden()
        await expect(menu).to_be_focused()
        await menu.press("Enter")
        await pages.get_by_role("link", name="System").click()
        await expect(page.get_by_role("heading", level=1, name="System")).to_be_focused()
        await expect(pages).to_be_hidden()


async def test_chosen_colours_stay(visit: Visit) -> None:
    await visit.open("/jobs")
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    before = await visit.page.evaluate(ground)
    await visit.page.locator("details.account summary").click()
    await visit.page.get_by_label("Dark").check()
    assert await visit.page.evaluate(ground) != before
    await visit.page.reload()
    await visit.page.locator("h1").wait_for()
    assert await visit.page.evaluate(ground) == "rgb(18, 22, 28)"


async def test_keys_are_listed_and_can_be_turned_off(visit: Visit) -> None:
    await visit.open("/none")
    await visit.page.keyboard.press("?")
    dialog = visit.page.get_by_role("dialog")
    await expect(dialog).to_be_visible()
    await dialog.get_by_role("switch").uncheck()
    await visit.page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await visit.page.keyboard.press("g")
    await visit.page.keyboard.press("j")
    assert visit.page.url.endswith("/none")


async def test_pages_are_reached_by_keys(visit: Visit) -> None:
    await visit.open("/none")
    await visit.page.keyboard.press("g")
    await visit.page.keyboard.press("j")
    await expect(visit.page.get_by_role("heading", level=1, name="Jobs")).to_be_focused()


async def test_ten_tabs_share_one_stream(visit: Visit, gitlab: Instance, ann: str) -> None:
    await visit.open("/jobs")
    others = [await visit.context.new_page() for _ in range(9)]
    for other in others:
        await other.goto(visit.page.url)
        await expect(other.locator(".connection.live")).to_be_visible()
    limits = await own(gitlab, "/limits", by=ann)
    assert limits["places"]["event_streams"]["held"] == 1
    await gitlab.imported(ann)
    for page in (visit.page, *others):
        await expect(page.get_by_role("link", name=f"{ann}/api-project")).to_be_visible()


async def test_a_browser_that_has_the_console_loads_no_file_of_it_again(visit: Visit) -> None:
    loaded = """performance.getEntriesByType("resource").filter((each) => each.transferSize > 0)
        .map((each) => new URL(each.name).pathname)"""
    for path in ("/jobs", "/projects", "/jobs"):
        await visit.open(path)
        await visit.page.locator(".connection.live").wait_for()
    assert not [path for path in await visit.page.evaluate(loaded) if path.startswith("/-/console/")]


async def test_an_administrator_chooses_whose_jobs_are_shown(visiting_as: Visiting) -> None:
    async with visiting_as(ROOT) as visit:
        await visit.open("/jobs")
        await visit.page.get_by_label("Whose").select_option("mine")
        assert visit.page.url.endswith("?whose=mine")
