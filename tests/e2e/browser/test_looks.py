"""Each page in three widths and two colours: axe finds nothing, and nothing is wider than the window."""

from __future__ import annotations

from itertools import product

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.e2e.browser.conftest import Visiting
from tests.e2e.browser.test_formats import evaluate
from tests.support.browsed import LEFT_OUT, failed, moved, own, running
from tests.support.browser import SCHEMES, WIDTHS
from tests.support.instance import Instance

PAGES = {
    "jobs": "/jobs",
    "jobs-none": "/jobs?search=none-such",
    "import": "/import",
    "import-url": "/import?from=url",
    "import-s3": "/import?from=s3",
    "import-github": "/import?from=github",
    "missing": "/none",
}
OF_JOBS = ("finished", "failed", "running")
LOOKS = list(product(WIDTHS, SCHEMES))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def owner(gitlab: Instance) -> str:
    """A user who has one of everything."""
    name = await gitlab.user("owner")
    await gitlab.imported(name, LEFT_OUT, "left-out")
    await failed(gitlab, name)
    await moved(gitlab, await running(gitlab, name), done=1_860_000_000, total=3_000_000_000)
    return name


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_can_be_used_by_everybody(visiting_as: Visiting, owner: str, name: str) -> None:
    async with visiting_as(owner) as visit:
        assert await visit.looks(name, PAGES[name], LOOKS) == {}


@pytest.mark.parametrize("state", OF_JOBS)
async def test_the_page_of_a_job_can_be_used_by_everybody(
    visiting_as: Visiting, gitlab: Instance, owner: str, state: str
) -> None:
    (job,) = await own(gitlab, f"/jobs?state={state}", by=owner)
    async with visiting_as(owner) as visit:
        assert await visit.looks(f"job-{state}", f"/jobs/{job['id']}", LOOKS) == {}


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_who_is_not_signed_in_can_do_so_in(visiting_as: Visiting, scheme: str) -> None:
    async with visiting_as(scheme=scheme, width="narrow") as visit:
        await visit.open("/jobs")
        await visit.look(f"sign-in-narrow-{scheme}")
        assert await visit.violations() == []


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_dialogs_menus_and_messages_can_be_used_by_everybody_in(
    visiting_as: Visiting, owner: str, scheme: str
) -> None:
    async with visiting_as(owner, scheme=scheme) as visit:
        await visit.open("/jobs")
        await visit.page.keyboard.press("?")
        await visit.look(f"keys-wide-{scheme}", is_whole=False)
        found = await visit.violations()
        await visit.page.keyboard.press("Escape")
        await visit.page.locator("details.account summary").click()
        for options in ("stays: 600_000", "isError: true"):
            await evaluate(visit, "toasts", f"toast('Something was done.', {{ {options} }})")
        closes = visit.page.get_by_role("button", name="Close this message")
        await expect(closes).to_have_count(2)
        for close in await closes.all():  # of a single letter, axe judges no contrast
            text = close.locator("xpath=..")
            await expect(close).to_have_css(
                "color", await text.evaluate("(each) => getComputedStyle(each).color")
            )
        await visit.look(f"account-wide-{scheme}", is_whole=False)
        assert [*found, *await visit.violations()] == []
