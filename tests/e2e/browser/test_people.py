from __future__ import annotations

import json
import shlex
from uuid import uuid4

import pytest
from playwright.async_api import expect

from tests.e2e.browser.conftest import Visiting
from tests.e2e.browser.test_formats import evaluate
from tests.support.browser import Late, Visit
from tests.support.instance import ROOT, Instance
from tests.support.system import System


async def test_an_administrator_makes_a_user_and_a_token(visiting_as: Visiting, gitlab: Instance) -> None:
    name = f"mia-{uuid4().hex[:10]}"
    async with visiting_as(ROOT) as visit:
        page = visit.page
        await visit.open("/people")
        await page.get_by_role("button", name="New user").click()
        for field, value in {"username": name, "name": "Mia", "email": f"{name}@example.com"}.items():
            await page.locator(f"dialog [name={field}]").fill(value)
        await page.get_by_role("button", name="Make it").click()
        await page.get_by_role("link", name="Make a token").click()
        await expect(page.get_by_text("No token is valid.")).to_be_visible()
        await page.get_by_role("button", name="New token").click()
        await page.locator("dialog [name=name]").fill("laptop")
        await page.get_by_role("button", name="Make it").click()
        await expect(page.get_by_role("alert")).to_have_text("Choose what it may do.")
        await page.get_by_label("api: may do everything", exact=True).check()
        day = page.get_by_label("Valid until")
        await day.fill("2020-01-01")
        assert await day.evaluate("(field) => field.validity.rangeUnderflow")
        await day.fill("")
        await page.get_by_role("button", name="Make it").click()
        gitlab.tokens[name] = await page.get_by_role("textbox", name="The token").input_value()
        await page.get_by_role("button", name="I have kept it").click()
        assert (await gitlab.get("/user", by=name)).body["username"] == name
        await page.get_by_role("button", name="Revoke laptop").click()
        await expect(page.get_by_text(f"It is the last token of {name}")).to_be_visible()
        await expect(page.get_by_text("You are signed in with this token")).to_have_count(0)
        await page.locator("dialog").get_by_role("button", name="Revoke").click()
        await expect(page.get_by_text("No token is valid.")).to_be_visible()
        assert (await gitlab.get("/user", by=name)).status == 401


async def test_a_user_name_that_is_refused_is_explained_once(visiting_as: Visiting) -> None:
    async with visiting_as(ROOT) as visit:
        visit.expect("400")
        await visit.open("/people")
        await visit.page.get_by_role("button", name="New user").click()
        for field, value in {"username": "a b", "name": "A", "email": "a.b@example.com"}.items():
            await visit.page.locator(f"dialog [name={field}]").fill(value)
        await visit.page.get_by_role("button", name="Make it").click()
        await expect(visit.page.get_by_role("alert")).to_contain_text("username can only include")


async def test_who_revokes_the_own_token_is_told_what_follows(visit: Visit) -> None:
    await visit.open("/people")
    await visit.page.get_by_role("button", name="Revoke t").click()
    await expect(visit.page.get_by_text("You are signed in with this token")).to_be_visible()
    await expect(visit.page.get_by_text("It is the last token of")).to_be_visible()


async def test_an_administrator_blocks_a_user_and_lets_the_user_in_again(
    visiting_as: Visiting, visit: Visit, gitlab: Instance, ann: str
) -> None:
    visit.expect("401")
    await visit.open("/")
    await expect(visit.page.get_by_text("live")).to_be_visible()
    async with visiting_as(ROOT) as watch:
        page = watch.page
        await watch.open(f"/people/{await gitlab.user_id(ann)}")
        await page.get_by_role("button", name="Block").click()
        await page.get_by_role("dialog").get_by_role("button", name="Block").click()
        await expect(page.get_by_text("This user is blocked")).to_be_visible()
        assert await watch.violations() == []
        assert (await gitlab.get("/user", by=ann)).status == 403
        await expect(visit.page.get_by_role("heading", name="Sign in")).to_be_visible()
        await visit.page.locator("[name=token]").fill(gitlab.tokens[ann])
        visit.expect("403")
        await visit.page.get_by_role("button", name="Sign in").click()
        await expect(visit.page.get_by_text("Your account has been blocked.")).to_be_visible()
        await page.get_by_role("link", name="All people").click()
        await page.get_by_placeholder("Search by name").fill(ann)
        await page.get_by_role("button", name="Search").click()
        rows = page.get_by_role("table", name="Users").locator("[data-row]")
        await expect(rows).to_have_count(1)
        await expect(rows).to_contain_text("blocked")
        await rows.get_by_role("link").click()
        await page.get_by_role("button", name="Unblock").click()
        await expect(page.get_by_text("This user is blocked")).to_have_count(0)
        assert (await gitlab.get("/user", by=ann)).status == 200


async def test_who_is_no_administrator_sees_no_users_and_is_told_who_makes_tokens(
    visit: Visit, ann: str
) -> None:
    await visit.open("/people")
    await expect(
        visit.page.get_by_text(f"crossdock admin create-token {ann} --data FOLDER", exact=True)
    ).to_be_visible()
    await expect(visit.page.get_by_role("heading", name="Users")).to_have_count(0)
    await expect(visit.page.get_by_role("heading", name="No groups yet")).to_be_visible()


async def test_a_group_is_made_and_somebody_comes_into_it(visit: Visit, gitlab: Instance, ann: str) -> None:
    visit.expect("status of 404")
    page, path, bob = visit.page, f"g-{uuid4().hex[:10]}", await gitlab.user("bob")
    await visit.open("/people")
    await page.get_by_role("button", name="New group").click()
    await page.locator("dialog [name=path]").fill(path)
    await page.get_by_role("button", name="Make it").click()
    await page.get_by_role("link", name=path).click()
    await page.get_by_role("button", name="Add a member").click()
    await page.locator("dialog [name=username]").fill(f"no-{bob}")
    await page.locator("dialog").get_by_role("button", name="Add").click()
    await expect(page.get_by_role("alert")).to_have_text(f"There is no user no-{bob}.")
    await expect(page.get_by_role("button", name="Add", exact=True)).to_be_focused()
    await page.locator("dialog [name=username]").fill(bob)
    await page.locator("dialog").get_by_role("button", name="Add").click()
    members = page.get_by_role("table", name="Members").locator("[data-row]")
    await expect(members.filter(has_text=bob)).to_contain_text("developer")
    await page.get_by_role("button", name=f"Remove {bob}").click()
    await page.locator("dialog").get_by_role("button", name="Remove").click()
    await expect(members).to_have_count(1)
    await expect(members).to_contain_text(ann)
    await page.get_by_role("button", name="Delete the group").click()
    await page.get_by_label("Type the path to confirm").fill(path)
    assert await visit.violations() == []
    await page.get_by_role("button", name="Delete it").click()
    await expect(page.get_by_role("heading", name="No groups yet")).to_be_visible()
    assert (await gitlab.get(f"/groups?search={path}", by=ann)).body == []


async def test_who_maintains_a_group_and_does_not_own_it_has_no_button_that_deletes_it(
    visiting_as: Visiting, gitlab: Instance, ann: str
) -> None:
    group, bob = (await gitlab.group(ann))["id"], await gitlab.user("bob")
    member = {"user_id": await gitlab.user_id(bob), "access_level": 40}
    assert (await gitlab.post(f"/groups/{group}/members", by=ann, json=member)).status == 201
    async with visiting_as(bob) as visit:
        async with visit.page.expect_response(lambda answer: "min_access_level=50" in answer.url):
            await visit.open(f"/groups/{group}")
        await expect(visit.page.get_by_role("table", name="Members")).to_contain_text(bob)
        await expect(visit.page.get_by_role("button", name="Delete the group")).to_have_count(0)


async def test_users_are_found_by_name_and_the_search_stands_in_the_address(
    visiting_as: Visiting, gitlab: Instance
) -> None:
    wanted, _ = await gitlab.user("wanted"), await gitlab.user("other")
    async with visiting_as(ROOT) as visit:
        rows = visit.page.get_by_role("table", name="Users").locator("[data-row]")
        await visit.page.route("**/api/v4/users?*", loaded_late := Late())
        await visit.open("/people")
        await visit.page.keyboard.press("/")
        await visit.page.keyboard.type(wanted)
        loaded_late.end.set()
        await expect(rows.filter(has_text="other").first).to_be_visible()
        await visit.page.keyboard.press("Enter")
        await expect(rows).to_have_count(1)
        assert visit.page.url.endswith(f"?search={wanted}")
        await visit.page.reload()
        await expect(rows).to_contain_text(wanted)
        await expect(rows).to_have_count(1)


@pytest.mark.parametrize("reader", ["ann", ROOT, None])
async def test_administrators_alone_are_told_in_commands_where_the_data_of_a_standalone_are(
    visiting_as: Visiting, standalone_system: System, ann: str, reader: str | None
) -> None:
    folder = standalone_system.data
    async with visiting_as(ann if reader == "ann" else reader) as visit:
        await visit.open("/people")
        if reader is None:
            await visit.page.get_by_text("Do you have no token?").click()
            await expect(visit.page.get_by_text("it named the folder when it started")).to_be_visible()
        command = visit.page.locator("code").filter(has_text="crossdock admin create-token").last
        await expect(command).to_contain_text(f"--data {folder if reader == ROOT else 'FOLDER'}")
        asked = await visit.page.evaluate("fetch('/api/crossdock/v1/session').then((each) => each.json())")
        assert asked["standalone"] == {"data": str(folder) if reader == ROOT else None}


async def test_a_folder_in_a_command_is_one_word_of_a_shell(visit: Visit) -> None:
    await visit.open("/none")
    folder = "/srv/Ann's data"
    told = await evaluate(visit, "commands", f"quoted({json.dumps(folder)})")
    assert shlex.split(f"crossdock {told}") == ["crossdock", folder]
