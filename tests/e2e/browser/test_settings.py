from __future__ import annotations

import json
from dataclasses import asdict

from playwright.async_api import expect

from shared.settings.application import ApplicationSettings
from tests.e2e.browser.conftest import Visiting
from tests.e2e.browser.test_formats import evaluate
from tests.support.browser import Visit
from tests.support.instance import ROOT, Instance


async def test_an_administrator_changes_a_setting(visiting_as: Visiting, gitlab: Instance) -> None:
    async with gitlab.settings(export_retention=24), visiting_as(ROOT) as visit:
        await visit.open("/settings")
        row = visit.page.locator("[data-row]").filter(has_text="export_retention")
        await visit.page.get_by_role("button", name="Change export_retention").click()
        await visit.page.locator("dialog [name=value]").fill("48")
        await visit.page.get_by_role("button", name="Change it").click()
        await expect(row).to_contain_text("48 hours")
        assert (await gitlab.get("/application/settings", by=ROOT)).body["export_retention"] == 48


async def test_the_page_has_all_settings_and_their_defaults(visit: Visit) -> None:
    await visit.open("/jobs")
    settings = await evaluate(visit, "settings", "SETTINGS")
    shown = {each["name"]: each["usual"] for each in settings}
    assert shown == json.loads(json.dumps(asdict(ApplicationSettings())))


async def test_who_is_no_administrator_is_told_so(visit: Visit) -> None:
    visit.expect("403")
    await visit.open("/settings")
    await expect(visit.page.get_by_text("Your role does not allow to see the settings.")).to_be_visible()
    await expect(visit.page.get_by_text("curl --request PUT")).to_have_count(0)


async def test_sizes_are_told_as_gitlab_and_as_the_other_pages_tell_them(visiting_as: Visiting) -> None:
    async with visiting_as(ROOT) as visit:
        await visit.open("/settings")
        row = visit.page.locator("[data-row]").filter(has_text="max_import_remote_file_size")
        await expect(row).to_contain_text("10,240 MiB (10.7 GB)")
