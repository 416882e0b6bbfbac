from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Route, expect

from tests.support.browsed import LEFT_OUT
from tests.support.browser import Visit
from tests.support.instance import Instance


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "website_export.tar.gz"
    path.write_bytes(LEFT_OUT)
    return path


async def test_a_file_is_uploaded_and_imported(visit: Visit, ann: str, file: Path) -> None:
    await visit.open("/import")
    await visit.page.locator("label.drop input").set_input_files(file)
    await expect(visit.page.get_by_label("Path")).to_have_value("website")
    await expect(visit.page.get_by_text("uploaded.")).to_be_visible()
    await visit.page.get_by_role("button", name="Import", exact=True).click()
    await expect(visit.page.get_by_role("heading", level=1)).to_contain_text(f"{ann}/website")
    await expect(visit.page.get_by_role("heading", level=1)).to_contain_text("finished")


async def test_an_upload_that_was_cut_goes_on_by_itself(visit: Visit, ann: str, file: Path) -> None:
    visit.expect("uploads/|ERR_FAILED|ERR_CONNECTION")
    cuts = iter([True, True])

    async def cut(route: Route) -> None:
        if route.request.method == "PATCH" and next(cuts, False):
            await route.abort("connectionreset")
        else:
            await route.continue_()

    await visit.page.route("**/api/crossdock/v1/uploads/*", cut)
    await visit.open("/import")
    await visit.page.locator("label.drop input").set_input_files(file)
    await visit.page.get_by_role("button", name="Import").click()
    heading = visit.page.get_by_role("heading", level=1)
    await expect(heading).to_contain_text(f"{ann}/website")
    await expect(heading).to_contain_text("finished")


async def test_an_upload_whose_page_was_closed_goes_on_with_the_same_file(visit: Visit, file: Path) -> None:
    visit.expect("uploads/|ERR_FAILED|ERR_CONNECTION")
    made: list[str] = []
    visit.page.on(
        "request",
        lambda each: (
            made.append(each.url) if each.url.endswith("/uploads") and each.method == "POST" else None
        ),
    )

    async def cut(route: Route) -> None:
        await (route.abort("connectionreset") if route.request.method == "PATCH" else route.continue_())

    await visit.page.route("**/api/crossdock/v1/uploads/*", cut)
    await visit.open("/import")
    await visit.page.locator("label.drop input").set_input_files(file)
    await expect(visit.page.get_by_text("The upload stopped")).to_be_visible()
    await visit.page.unroute("**/api/crossdock/v1/uploads/*")
    await visit.open("/import")
    await expect(visit.page.get_by_text("Uploads that have not ended.")).to_be_visible()
    await visit.page.locator("label.drop input").set_input_files(file)
    await expect(
        visit.page.get_by_text("kB uploaded.").or_(visit.page.get_by_text("bytes uploaded."))
    ).to_be_visible()
    assert len(made) == 1


async def test_an_upload_is_paused_goes_on_and_is_removed(visit: Visit, file: Path) -> None:
    visit.expect("uploads/|ERR_FAILED|ERR_ABORTED")
    paused = asyncio.Event()

    async def hold(route: Route) -> None:
        if route.request.method == "PATCH" and not paused.is_set():
            await paused.wait()
            await route.abort()
        else:
            await route.continue_()

    await visit.page.route("**/api/crossdock/v1/uploads/*", hold)
    await visit.open("/import")
    await visit.page.locator("label.drop input").set_input_files(file)
    await visit.page.get_by_role("button", name="Pause").click()
    await expect(visit.page.get_by_text("Paused at")).to_be_visible()
    paused.set()
    await visit.page.get_by_role("button", name="Go on").click()
    await expect(visit.page.get_by_role("button", name="Import", exact=True)).to_be_enabled()
    await visit.page.get_by_role("button", name="Remove").click()
    await expect(visit.page.get_by_text("Drop project_export.tar.gz here")).to_be_visible()


async def test_a_path_that_is_taken_is_told_beside_the_form(
    visit: Visit, gitlab: Instance, ann: str, file: Path
) -> None:
    visit.expect("status of 4")
    await gitlab.project(ann, "website")
    await visit.open("/import")
    await visit.page.locator("label.drop input").set_input_files(file)
    await visit.page.get_by_role("button", name="Import").click()
    await expect(visit.page.get_by_role("alert")).to_contain_text("taken")


async def test_sources_are_chosen_by_arrow_keys_and_are_in_the_address(visit: Visit) -> None:
    await visit.open("/import")
    await visit.page.get_by_role("tab", name="A file").focus()
    for name, end in (("An address", "?from=url"), ("S3", "?from=s3"), ("GitHub", "?from=github")):
        await visit.page.keyboard.press("ArrowRight")
        await expect(visit.page.get_by_role("tab", name=name)).to_be_focused()
        assert visit.page.url.endswith(end)


async def test_an_address_that_is_not_allowed_is_told_in_words(visit: Visit) -> None:
    visit.expect("status of 4")
    await visit.open("/import?from=url")
    await visit.page.get_by_label("Address of the archive").fill("https://127.0.0.1/x.tar.gz")
    await visit.page.get_by_label("Path").fill("fetched")
    await visit.page.get_by_role("button", name="Import").click()
    await expect(visit.page.get_by_role("alert")).to_be_visible()
