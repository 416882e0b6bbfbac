"""Each page in three widths and two colours: axe finds nothing, and nothing is wider than the window."""

from __future__ import annotations

from itertools import product

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.e2e.browser.conftest import Visiting
from tests.support.browsed import LEFT_OUT, failed, moved, own, running
from tests.support.browser import SCHEMES, WIDTHS
from tests.support.instance import ROOT, Instance

PAGES = {
    "jobs": "/jobs",
    "jobs-none": "/jobs?search=none-such",
    "import": "/import",
    "import-url": "/import?from=url",
    "import-s3": "/import?from=s3",
    "import-github": "/import?from=github",
    "missing": "/none",
}
LOOKS = list(product(WIDTHS, SCHEMES))


@pytest_asyncio.fixture(loop_scope="session")
async def shown(gitlab: Instance, ann: str) -> dict[str, str]:
    """Pages that show one of everything."""
    await gitlab.imported(ann, LEFT_OUT, "left-out")
    await failed(gitlab, ann)
    await moved(gitlab, await running(gitlab, ann), done=1_860_000_000, total=3_000_000_000)
    of_state = {each["state"]: each["id"] for each in await own(gitlab, "/jobs", by=ann)}
    return PAGES | {f"job-{state}": f"/jobs/{number}" for state, number in of_state.items()}


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
async def test_pages_can_be_used_by_everybody_in(
    visiting_as: Visiting, shown: dict[str, str], ann: str, width: str, scheme: str
) -> None:
    async with visiting_as(ann, width=width, scheme=scheme) as visit:
        found = {}
        for name, path in shown.items():
            await visit.open(path)
            await expect(visit.page.locator("[aria-busy=true]")).to_have_count(0)
            await visit.look(f"{name}-{width}-{scheme}")
            found[name] = (await visit.violations(), await visit.overflows())
        wrong = {name: each for name, each in found.items() if each != ([], False)}
        assert wrong == {}


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_who_is_not_signed_in_can_do_so_in(visiting_as: Visiting, scheme: str) -> None:
    async with visiting_as(scheme=scheme, width="narrow") as visit:
        await visit.open("/jobs")
        await visit.look(f"sign-in-narrow-{scheme}")
        assert await visit.violations() == []


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_dialogs_and_menus_can_be_used_by_everybody_in(
    visiting_as: Visiting, gitlab: Instance, scheme: str
) -> None:
    async with visiting_as(ROOT, scheme=scheme) as visit:
        await visit.open("/jobs")
        await visit.page.keyboard.press("?")
        await visit.look(f"keys-wide-{scheme}")
        found = await visit.violations()
        await visit.page.keyboard.press("Escape")
        await visit.page.locator("details.account summary").click()
        await visit.look(f"account-wide-{scheme}")
        assert [*found, *await visit.violations()] == []
