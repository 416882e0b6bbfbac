"""The other pages, in each width and each colour, with one of everything."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.browser.conftest import Visiting
from tests.support.instance import ROOT, Instance

LOOKS = [("wide", "light"), ("middle", "dark"), ("narrow", "light")]
"""Each width and each colour. The pages share the style of those that are looked at in all six."""
OF_EVERYBODY = (
    "projects", "project", "project-none", "schedules", "schedule", "run", "webhooks", "webhook", "people",
    "group",
)  # fmt: skip
FOR_ADMINISTRATORS = {"people-all": "/people", "settings": "/settings", "system": "/system"}


async def made(gitlab: Instance, owner: str, what: str, **given: Any) -> Any:
    """POST below /api/crossdock/v1."""
    address, headers = f"{gitlab.url}/api/crossdock/v1/{what}", {"PRIVATE-TOKEN": gitlab.tokens[owner]}
    async with gitlab.session.post(address, headers=headers, json=given) as answer:
        assert answer.ok, await answer.text()
        return await answer.json()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shown(gitlab: Instance) -> tuple[str, dict[str, str]]:
    """A user, and pages that show one of everything that is theirs."""
    owner = await gitlab.user("owner")
    project = await gitlab.imported(owner)
    group = await gitlab.group(owner)
    far = await made(
        gitlab, owner, "destinations", name="far", kind="crossdock", url="https://127.0.0.1:9", token="t"
    )
    schedule = await made(
        gitlab, owner, "schedules", name="nightly", cron="@daily", all=True, destination_id=far["id"]
    )
    run = await made(gitlab, owner, f"schedules/{schedule['id']}/run")
    hook = await made(gitlab, owner, f"projects/{project}/webhooks", url="http://127.0.0.1:9")
    await gitlab.exported(project, by=owner)
    return owner, {
        "projects": "/projects",
        "project": f"/projects/{owner}/api-project",
        "project-none": f"/projects/{owner}/none",
        "schedules": "/schedules",
        "schedule": f"/schedules/{schedule['id']}",
        "run": f"/runs/{run['id']}",
        "webhooks": f"/webhooks?project={owner}/api-project",
        "webhook": f"/webhooks/{project}/{hook['id']}",
        "people": "/people",
        "group": f"/groups/{group['id']}",
    }


@pytest.mark.parametrize("name", OF_EVERYBODY)
async def test_a_page_of_everybody_can_be_used_by_everybody(
    visiting_as: Visiting, shown: tuple[str, dict[str, str]], name: str
) -> None:
    owner, pages = shown
    async with visiting_as(owner) as visit:
        if name == "project-none":
            visit.expect("404")
        assert await visit.looks(name, pages[name], LOOKS) == {}


@pytest.mark.parametrize("name", FOR_ADMINISTRATORS)
async def test_a_page_of_administrators_can_be_used_by_everybody(visiting_as: Visiting, name: str) -> None:
    async with visiting_as(ROOT) as visit:
        assert await visit.looks(name, FOR_ADMINISTRATORS[name], LOOKS) == {}


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
        await visit.look(f"form-{button.lower().replace(' ', '-')}-narrow", is_whole=False)
        assert await visit.violations() == []
