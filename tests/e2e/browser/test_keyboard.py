"""Who uses the keyboard alone reaches all that can be used, and sees where they are."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.e2e.browser.conftest import Visiting
from tests.e2e.browser.test_formats import evaluate
from tests.support.browsed import failed, running
from tests.support.browser import Visit
from tests.support.instance import ROOT, Instance

PAGES = ("/jobs", "/projects", "/schedules", "/people", "/settings", "/system", "/none")
WATCH = """
() => {
  window.__reached = new Set();
  window.__unseen = [];
  document.addEventListener("focusin", ({ target }) => {
    const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(target);
    const { width, height } = target.getBoundingClientRect();
    const isMarked = (outlineStyle !== "none" && parseFloat(outlineWidth) > 0) || boxShadow !== "none";
    __reached.add(target);
    if (!isMarked || width === 0 || height === 0) __unseen.push(target.outerHTML);
  });
  const all = document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']");
  window.__usable = [...all].filter((each) => each.checkVisibility() && !each.disabled && each.tabIndex >= 0);
  return window.__usable.length;
}
"""
FOUND = "[__usable.filter((each) => !__reached.has(each)).map((each) => each.outerHTML), __unseen]"


@pytest.mark.parametrize("path", PAGES)
async def test_all_that_can_be_used_is_reached_by_tab_and_shows_the_focus(
    visiting_as: Visiting, gitlab: Instance, path: str
) -> None:
    await failed(gitlab, await gitlab.user("eve"))
    async with visiting_as(ROOT) as visit:
        await visit.open(path)
        await expect(visit.page.locator("[aria-busy=true]")).to_have_count(0)
        await visit.page.locator(".connection.live").wait_for()
        number = await visit.page.evaluate(WATCH)
        assert number > 8
        for _ in range(number + 2):
            await visit.page.keyboard.press("Tab")
        assert await visit.page.evaluate(FOUND) == [[], []]


async def test_the_first_stop_skips_the_navigation(visit: Visit) -> None:
    await visit.open("/jobs")
    await visit.page.keyboard.press("Tab")
    skip = visit.page.get_by_role("link", name="Skip to the content")
    await expect(skip).to_be_focused()
    await expect(skip).to_be_in_viewport()
    await visit.page.keyboard.press("Enter")
    await visit.page.keyboard.press("Tab")
    assert await visit.page.evaluate("document.activeElement.closest('main') !== null")


async def test_nothing_slides_for_who_wants_less_motion(visit: Visit, gitlab: Instance, ann: str) -> None:
    await running(gitlab, ann)
    await visit.open("/jobs")
    bar = visit.page.get_by_role("progressbar")
    await expect(bar).to_have_css("animation-name", "none")
    await visit.page.emulate_media(reduced_motion="no-preference")
    await expect(bar).not_to_have_css("animation-name", "none")


async def test_at_most_one_sentence_in_five_seconds_is_announced(visit: Visit) -> None:
    await visit.take_clock()
    await visit.open("/none")
    region = visit.page.locator("#console > .sr-only[role=status]")
    await evaluate(visit, "announce", "announce('One.')")
    await visit.page.clock.run_for(300)
    await expect(region).to_have_text("One.")
    for word in ("Two.", "Three.", "Four."):
        await evaluate(visit, "announce", f"announce('{word}')")
    await visit.page.clock.run_for(4900)
    await expect(region).to_have_text("One.")
    await visit.page.clock.run_for(100)
    await expect(region).to_have_text("Four. 2 other jobs have ended.")
