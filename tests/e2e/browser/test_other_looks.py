"""The other pages, in each width and each colour, with one of everything."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.e2e.browser.conftest import Visiting
from tests.support.browser import Visit
from tests.support.instance import ROOT, Instance

LOOKS = [("wide", "light"), ("middle", "dark"), ("narrow", "light")]
"""Each width and each colour. The pages share the style of those that are looked at in all six."""
FOR_ADMINISTRATORS = {"people-all": "/people", "settings": "/settings", "system": "/system"}


async def made(gitlab: Instance, owner: str, what: str, **given: Any) -> Any:
    """POST below /api/crossdock/v1."""
    address, headers = f"{gitlab.url}/api/crossdock/v1/{what}", {"PRIVATE-TOKEN": gitlab.tokens[owner]}
    async with gitlab.session.post(address, headers=headers, json=given) as answer:
        assert answer.ok, await answer.text()
        return await answer.json()


@pytest_asyncio.fixture(loop_scope="session")
async def shown(gitlab: Instance, ann: str) -> dict[str, str]:
    """Pages that show one of everything that is Ann's."""
    project = await gitlab.imported(ann)
    group = await gitlab.group(ann)
    far = await made(
        gitlab, ann, "destinations", name="far", kind="crossdock", url="https://127.0.0.1:9", token="t"
    )
    schedule = await made(
        gitlab, ann, "schedules", name="nightly", cron="@daily", all=True, destination_id=far["id"]
    )
    run = await made(gitlab, ann, f"schedules/{schedule['id']}/run")
    hook = await made(gitlab, ann, f"projects/{project}/webhooks", url="http://127.0.0.1:9")
    await gitlab.exported(project, by=ann)
    return {
        "projects": "/projects",
        "project": f"/projects/{ann}/api-project",
        "schedules": "/schedules",
        "schedule": f"/schedules/{schedule['id']}",
        "run": f"/runs/{run['id']}",
        "webhooks": f"/webhooks?project={ann}/api-project",
        "webhook": f"/webhooks/{project}/{hook['id']}",
        "people": "/people",
        "group": f"/groups/{group['id']}",
    }


async def looked_at(visit: Visit, pages: dict[str, str], suffix: str) -> dict[str, tuple[list[str], bool]]:
    """What is wrong with each page, of which a picture is kept."""
    found = {}
    for name, path in pages.items():
        await visit.open(path)
        await expect(visit.page.locator("[aria-busy=true]")).to_have_count(0)
        await visit.look(f"{name}-{suffix}")
        found[name] = (await visit.violations(), await visit.overflows())
    return found


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
async def test_pages_of_everybody_can_be_used_by_everybody_in(
    visiting_as: Visiting, shown: dict[str, str], ann: str, width: str, scheme: str
) -> None:
    async with visiting_as(ann, width=width, scheme=scheme) as visit:
        assert await looked_at(visit, shown, f"{width}-{scheme}") == dict.fromkeys(shown, ([], False))


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
async def test_pages_of_administrators_can_be_used_by_everybody_in(
    visiting_as: Visiting, width: str, scheme: str
) -> None:
    pages = FOR_ADMINISTRATORS
    async with visiting_as(ROOT, width=width, scheme=scheme) as visit:
        assert await looked_at(visit, pages, f"{width}-{scheme}") == dict.fromkeys(pages, ([], False))


@pytest.mark.parametrize(
    ("path", "button"),
    [
        ("/schedules", "New destination"),
        ("/people", "New group"),
        ("/people", "New user"),
        ("/settings", "Change import_sources"),
    ],
)
async def test_forms_can_be_used_by_everybody(visiting_as: Visiting, path: str, button: str) -> None:
    async with visiting_as(ROOT, width="narrow") as visit:
        await visit.open(path)
        await visit.page.get_by_role("button", name=button).click()
        await visit.look(f"form-{button.lower().replace(' ', '-')}-narrow")
        assert await visit.violations() == []
