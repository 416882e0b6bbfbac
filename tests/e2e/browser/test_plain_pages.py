"""The pages beside the console: signing in without scripts, and what describes the API."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.support.browser import WIDTHS, Visit

PLAIN = {
    "sign-in": "/users/sign_in?return_to=/",
    "asyncapi": "/api/asyncapi",
    "licences": "/api/licences",
    "problems": "/problems",
    "unknown": "/-/none",
}
LOOKS = [("sign-in", "wide", "light"), *((name, "narrow", "dark") for name in PLAIN)]
"""They share one style."""


@pytest.mark.parametrize(("name", "width", "scheme"), LOOKS)
async def test_a_plain_page_can_be_used_by_everybody(
    visit: Visit, name: str, width: str, scheme: str
) -> None:
    visit.expect("status of 404")
    across, high = WIDTHS[width]
    await visit.page.set_viewport_size({"width": across, "height": high})
    await visit.prefer(scheme)
    await visit.page.goto(visit.url + PLAIN[name])
    await visit.look(f"{name}-{width}-{scheme}", is_whole=False)
    assert (await visit.violations(), await visit.overflows()) == ([], False)


async def test_the_description_of_the_api_has_the_colours_of_the_system_or_those_chosen_in_the_console(
    visit: Visit,
) -> None:
    html = visit.page.locator("html")
    await visit.prefer("dark")
    await visit.page.goto(visit.url + "/api/docs")
    await expect(html).to_have_class("dark-mode")
    await visit.prefer("light")
    await expect(html).to_have_class("")
    await visit.page.evaluate("localStorage.setItem('crossdock.theme', 'dark')")
    await visit.page.reload()
    await expect(html).to_have_class("dark-mode")
