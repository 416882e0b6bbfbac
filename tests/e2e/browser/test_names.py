"""Names and errors as strangers write them: the pages show them as text, and hold."""

from __future__ import annotations

from uuid import uuid4

import pytest
import pytest_asyncio

from shared.jobs import store as jobs
from tests.e2e.browser.conftest import Visiting
from tests.support.browsed import running
from tests.support.instance import ROOT, Instance

SCRIPT = "<script>document.title = 1</script><img src=x onerror=alert(1)>"
TURNED = "\u202e\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627"
NAME = f"{SCRIPT} {TURNED} \U0001f680 {'w' * 120}"
ERROR = "\n".join([SCRIPT, "x" * 2000, *(f"line {number}" for number in range(200))])
LOOKS = [("wide", "light"), ("middle", "dark"), ("narrow", "light")]
PAGES = ("jobs", "job", "projects", "project", "people", "group", "user")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hostile(gitlab: Instance) -> dict[str, str]:
    """Pages of a user, a group and a project with such names, and of a job with such an error.

    The API refuses most of it; what is in the database may be of another version.
    """
    long = f"p{uuid4().hex}".ljust(255, "w")
    name = await gitlab.user("eve")
    user, group = await gitlab.user_id(name), await gitlab.group(name)
    await gitlab.imported(name, path=long)
    project = await gitlab.made("/projects", name, path=long, namespace_id=group["id"])
    await gitlab.pool.execute("UPDATE users SET name = $2 WHERE id = $1", user, NAME)
    await gitlab.pool.execute("UPDATE namespaces SET name = $2 WHERE id = $1", group["id"], NAME)
    change = "UPDATE projects SET name = $2, description = $3 WHERE id = $1"
    await gitlab.pool.execute(change, project["id"], NAME, ERROR)
    lease = await running(gitlab, name, "w" * 255)
    await jobs.fail(gitlab.pool, lease, error=ERROR, code="job_crashed")
    return {
        "jobs": f"/jobs?search={'w' * 255}",
        "job": f"/jobs/{lease.job_id}",
        "projects": f"/projects?search={long}",
        "project": f"/projects/{project['path_with_namespace']}",
        "people": f"/people?search={name}",
        "group": f"/groups/{group['id']}",
        "user": f"/people/{user}",
    }


@pytest.mark.parametrize("name", PAGES)
async def test_long_and_hostile_names_break_no_page(
    visiting_as: Visiting, hostile: dict[str, str], name: str
) -> None:
    async with visiting_as(ROOT) as visit:
        assert await visit.looks(f"names-{name}", hostile[name], LOOKS) == {}
        assert await visit.page.locator("#console script, #console img").count() == 0
        assert (await visit.page.title()).endswith(" \u00b7 Crossdock")
        await visit.emulate("wide", "light")
        await visit.page.evaluate("document.documentElement.style.fontSize = '200%'")
        assert not await visit.overflows()


async def test_a_long_error_scrolls_and_its_lines_are_kept(
    visiting_as: Visiting, hostile: dict[str, str]
) -> None:
    async with visiting_as(ROOT) as visit:
        await visit.open(hostile["job"])
        told = visit.page.get_by_role("alert").get_by_role("group")
        await told.focus()
        assert (await told.inner_text()).startswith(f"{SCRIPT}\n{'x' * 100}")
        box = await told.bounding_box()
        assert box
        assert box["height"] < 200
        assert len(await visit.page.locator(".timeline li").last.inner_text()) < 250
