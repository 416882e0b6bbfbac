from __future__ import annotations

import re

from playwright.async_api import expect

from services.api.crossdock import webhook_fields
from tests.e2e.browser.conftest import Visiting
from tests.e2e.browser.test_formats import evaluate
from tests.support.browser import Visit
from tests.support.hooks import hooked
from tests.support.instance import ROOT, Instance


async def test_who_chose_no_project_is_told_to(visit: Visit) -> None:
    await visit.open("/webhooks")
    await expect(visit.page.get_by_text("Webhooks belong to a project.")).to_be_visible()


async def test_a_webhook_is_made_watched_and_sent_again(visit: Visit, gitlab: Instance, ann: str) -> None:
    project = await gitlab.imported(ann)
    page = visit.page
    async with hooked() as receiver:
        await visit.open("/webhooks")
        await page.get_by_placeholder("Path of a project").fill(f"{ann}/api-project")
        await page.keyboard.press("Enter")
        await page.get_by_role("button", name="New webhook").click()
        await page.locator("dialog [name=url]").fill(receiver.url)
        await page.get_by_label("exports", exact=True).check()
        await page.get_by_label("finished", exact=True).check()
        assert await visit.violations() == []
        await page.get_by_role("button", name="Make it").click()
        secret = await page.get_by_role("textbox", name="Secret of the webhook").input_value()
        await page.get_by_role("button", name="I have kept it").click()
        await page.get_by_role("table", name="Webhooks").get_by_role("link").click()
        await expect(page.get_by_text("Nothing was sent yet.")).to_be_visible()
        await gitlab.exported(project, by=ann)
        row = page.get_by_role("table", name="Deliveries").locator("[data-row]")
        await expect(row).to_contain_text("taken", timeout=60_000)
        await page.get_by_role("button", name="Send again").click()
        hooks = await receiver.take(2)
        assert {hook.event(secret)["type"] for hook in hooks} == {"com.crossdock.export.finished.v1"}


async def test_a_test_tells_how_it_ended(visit: Visit, gitlab: Instance, ann: str) -> None:
    project, page = await gitlab.imported(ann), visit.page
    address = f"{gitlab.url}/api/crossdock/v1/projects/{project}/webhooks"
    headers = {"PRIVATE-TOKEN": gitlab.tokens[ann]}
    async with hooked(503) as receiver:
        async with gitlab.session.post(address, headers=headers, json={"url": receiver.url}) as answer:
            made = await answer.json()
        await visit.open(f"/webhooks/{project}/{made['id']}")
        for said in ("The receiver did not take the test", "The receiver took the test: it answered 200"):
            await page.get_by_role("button", name="Send a test").click()
            await expect(page.get_by_role("status").filter(has_text=said)).to_be_visible(timeout=60_000)
        await expect(page.get_by_text("it answered 503")).to_have_count(0)
        rows = page.get_by_role("table", name="Deliveries").locator("[data-row]")
        await expect(rows).to_have_text(
            [re.compile("webhook.test.*taken.*200"), re.compile("not taken.*503")]
        )
        first, second = await receiver.take(2)
    assert first.event(made["secret"])["data"] == second.event(made["secret"])["data"]


async def test_a_secret_is_replaced_and_a_webhook_switched_off_and_deleted(
    visit: Visit, gitlab: Instance, ann: str
) -> None:
    project, page = await gitlab.imported(ann), visit.page
    address = f"{gitlab.url}/api/crossdock/v1/projects/{project}/webhooks"
    headers = {"PRIVATE-TOKEN": gitlab.tokens[ann]}
    async with gitlab.session.post(address, headers=headers, json={"url": "http://127.0.0.1:9"}) as answer:
        made = await answer.json()
    await visit.open(f"/webhooks/{project}/{made['id']}")
    await page.get_by_role("button", name="New secret").click()
    await page.get_by_role("button", name="Make it").click()
    new = await page.get_by_role("textbox", name="Secret of the webhook").input_value()
    assert new.startswith("whsec_")
    assert new != made["secret"]
    await page.get_by_role("button", name="I have kept it").click()
    await page.get_by_role("button", name="Switch off").click()
    await expect(page.get_by_text("It is switched off.")).to_be_visible()
    await page.get_by_role("button", name="Delete").click()
    await page.locator("dialog").get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("heading", name="No webhooks yet")).to_be_visible()


async def test_the_form_of_webhooks_has_all_events_of_the_api(visit: Visit) -> None:
    await visit.open("/webhooks")
    kinds, moves = [await evaluate(visit, "webhooks", each) for each in ("KINDS", "MOVES")]
    names = f"{[kind for kind, _ in kinds]}, {[move for move, _ in moves]}"
    made = await evaluate(visit, "webhooks", f"eventsOf({names})")
    assert set(made) == {each for each in webhook_fields.EVENTS if "*" not in each}
    assert len(made) <= webhook_fields.MOST_EVENTS
    assert await evaluate(visit, "webhooks", "eventsOf([], [])") is None
    assert await evaluate(visit, "webhooks", "eventsOf([], ['failed'])") == ["*.failed"]
    usual = await evaluate(visit, "webhooks", "eventsOf(['import'], [])")
    assert usual == [each.replace("*", "import") for each in webhook_fields.DEFAULT_EVENTS]


async def test_events_are_told_in_words(visit: Visit) -> None:
    told = {
        ("*", "import.failed"): "everything",
        tuple(sorted(webhook_fields.DEFAULT_EVENTS)): "everything but progress",
        ("*.failed",): "all: failed",
        ("*.failed", "import.*"): "all: failed; imports: everything",
        ("export.failed", "export.finished", "import.failed", "import.finished"): (
            "exports, imports: finished, failed"
        ),
        ("future.finished",): "future: finished",
    }
    await visit.open("/webhooks")
    for events, words in told.items():
        assert await evaluate(visit, "webhooks", f"eventsWord({list(events)})") == words


async def test_who_gives_a_local_address_is_told_which_setting_allows_it(
    visiting_as: Visiting, gitlab: Instance
) -> None:
    local = {
        "allow_local_requests_from_web_hooks_and_services": False,
        "outbound_local_requests_allowlist": [],
    }
    async with gitlab.settings(**local), visiting_as(ROOT) as visit:
        page = visit.page
        visit.expect("400")
        await visit.open("/webhooks")
        await page.get_by_role("button", name="New webhook").click()
        await page.locator("dialog [name=url]").fill("http://127.0.0.1:9/hook")
        await page.get_by_role("button", name="Make it").click()
        told = page.get_by_role("alert")
        await expect(told).to_contain_text("url is blocked: Requests to localhost are not allowed.")
        for setting in local:
            await expect(told).to_contain_text(setting)
        await page.locator("dialog [name=url]").fill("ftp://example.com/hook")
        await page.get_by_role("button", name="Make it").click()
        await expect(told).to_contain_text("Only allowed schemes are http, https")
        await expect(told).not_to_contain_text("An administrator")


async def test_two_webhooks_of_one_host_are_told_apart_and_no_secret_is_shown(
    visit: Visit, gitlab: Instance, ann: str
) -> None:
    project, page = await gitlab.imported(ann), visit.page
    address = f"{gitlab.url}/api/crossdock/v1/projects/{project}/webhooks"
    numbers = []
    for path in ("hunter2", "hunter3"):
        given = {"url": f"http://127.0.0.1:9/{path}"}
        async with gitlab.session.post(
            address, headers={"PRIVATE-TOKEN": gitlab.tokens[ann]}, json=given
        ) as answer:
            numbers.append((await answer.json())["id"])
    await visit.open(f"/webhooks?project={project}")
    links = page.get_by_role("table", name="Webhooks").get_by_role("link")
    await expect(links).to_have_text([f"Webhook {number}" for number in numbers])
    await expect(page.get_by_text("http://127.0.0.1:9/*****")).to_have_count(2)
    assert "hunter" not in await page.content()


async def test_the_secret_of_a_webhook_is_copied(visit: Visit, gitlab: Instance, ann: str) -> None:
    project, page = await gitlab.imported(ann), visit.page
    await visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await visit.open(f"/webhooks?project={project}")
    await page.get_by_role("button", name="New webhook").click()
    await page.locator("dialog [name=url]").fill("http://127.0.0.1:9/hook")
    await page.get_by_role("button", name="Make it").click()
    secret = await page.get_by_role("textbox", name="Secret of the webhook").input_value()
    await page.get_by_role("button", name="Copy the secret").click()
    await expect(page.get_by_role("dialog").get_by_role("status")).to_have_text("Copied the secret.")
    assert await page.evaluate("navigator.clipboard.readText()") == secret
    assert await visit.violations() == []
