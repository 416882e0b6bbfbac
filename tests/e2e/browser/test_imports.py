from __future__ import annotations

import asyncio
import secrets
import shlex
from pathlib import Path

import pytest
from playwright.async_api import Request, Response, Route, expect

from tests.e2e.browser.conftest import Visiting
from tests.support.browsed import LEFT_OUT, own
from tests.support.browser import WIDTHS, Late, Visit
from tests.support.instance import Instance
from tests.support.projects import ndjson, project

CHUNK = "64 * 1024 * 1024"
SMALL = 100_000
"""Bytes of a chunk, as the console has it, and for a file of a test."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "website_export.tar.gz"
    path.write_bytes(LEFT_OUT)
    return path


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A megabyte that no compression makes smaller."""
    path = tmp_path / "large_export.tar.gz"
    lines = [b'{"iid":%d,"title":"%s"}' % (iid, secrets.token_hex(500).encode()) for iid in range(1, 1000)]
    path.write_bytes(project(issues=ndjson(*lines)))
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


async def test_an_upload_whose_tab_was_closed_goes_on_from_the_offset_of_the_server(
    visit: Visit, ann: str, large: Path
) -> None:
    await visit.page.route("**/upload.mjs", _in_small_chunks)
    held, closed = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        if route.request.headers.get("upload-offset", "0") == "0":
            await route.continue_()
        else:
            held.set()
            await closed.wait()

    await visit.page.route("**/api/crossdock/v1/uploads/*", hold)
    await visit.open("/import")
    await visit.page.locator("label.drop input").set_input_files(large)
    await held.wait()
    await visit.page.close()
    closed.set()
    visit.page = await visit.context.new_page()
    made, offsets = _uploads_made(visit), _offsets(visit)
    await visit.open("/import")
    await expect(visit.page.get_by_text("Uploads that have not ended.")).to_be_visible()
    await visit.page.locator("label.drop input").set_input_files(large)
    await visit.page.get_by_role("button", name="Import").click()
    await expect(visit.page.get_by_role("heading", level=1)).to_contain_text("finished")
    assert made == []
    assert offsets[0] >= SMALL  # a browser may send what was held as the tab goes


async def test_a_file_that_another_tab_sends_is_left_to_it(visit: Visit, ann: str, large: Path) -> None:
    held = asyncio.Event()

    async def hold(route: Route) -> None:
        held.set()  # and no answer comes

    await visit.page.route("**/api/crossdock/v1/uploads/*", hold)
    await visit.open("/import")
    await visit.page.locator("label.drop input").set_input_files(large)
    await held.wait()
    first, visit.page = visit.page, await visit.context.new_page()
    await visit.open("/import")
    await visit.page.locator("label.drop input").set_input_files(large)
    refusal = visit.page.get_by_text("Another tab sends this file.")
    await expect(refusal).to_be_visible()
    await first.close()
    await visit.page.get_by_role("button", name="Try now").click()
    await expect(refusal).to_have_count(0)
    await expect(visit.page.get_by_text("uploaded.")).to_be_visible()


async def _in_small_chunks(route: Route) -> None:
    """Have the console send a file of a test in several requests, as it does with those of hundreds of MB."""
    answer = await route.fetch()
    text = await answer.text()
    assert CHUNK in text
    await route.fulfill(response=answer, body=text.replace(CHUNK, str(SMALL)))


def _offsets(visit: Visit) -> list[int]:
    """Where the requests that send bytes begin, as they come."""
    begun: list[int] = []
    visit.page.on(
        "request",
        lambda each: begun.append(int(each.headers["upload-offset"])) if each.method == "PATCH" else None,
    )
    return begun


async def test_an_upload_that_nobody_goes_on_with_is_forgotten(
    visit: Visit, gitlab: Instance, ann: str, file: Path
) -> None:
    headers = {"PRIVATE-TOKEN": gitlab.tokens[ann], "Tus-Resumable": "1.0.0", "Upload-Length": "7"}
    url = f"{gitlab.url}/api/crossdock/v1/uploads"
    async with gitlab.session.post(url, headers=headers) as answer:
        assert answer.status == 201
    await visit.open("/import")
    await visit.page.get_by_role("button", name="Forget upload").click()
    await expect(visit.page.get_by_text("Uploads that have not ended.")).to_have_count(0)
    assert await own(gitlab, "/uploads", by=ann) == []


async def test_two_files_in_a_row_and_the_same_one_again_are_imports_of_their_own(
    visit: Visit, ann: str, file: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other_export.tar.gz"
    other.write_bytes(LEFT_OUT)
    for path, to in ((file, "first"), (other, "second"), (file, "third")):
        await visit.open("/import")
        await visit.page.get_by_label("Path").fill(to)
        await visit.page.locator("label.drop input").set_input_files(path)
        await visit.page.get_by_role("button", name="Import").click()
        heading = visit.page.get_by_role("heading", level=1)
        await expect(heading).to_contain_text(f"{ann}/{to}")
        await expect(heading).to_contain_text("finished")


async def test_an_upload_is_paused_goes_on_and_is_removed(
    visit: Visit, gitlab: Instance, ann: str, file: Path
) -> None:
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
    assert await own(gitlab, "/uploads", by=ann) == []


async def test_an_upload_is_paused_before_the_server_has_told_its_address(
    visit: Visit, gitlab: Instance, ann: str, file: Path
) -> None:
    await visit.page.route("**/api/crossdock/v1/uploads", creation := Late())
    await visit.open("/import")
    await visit.page.locator("label.drop input").set_input_files(file)
    await visit.page.get_by_role("button", name="Pause").click()
    async with visit.page.expect_response(_is_creation):
        creation.end.set()
    await expect(visit.page.get_by_text("Paused at")).to_be_visible()
    await visit.page.get_by_role("button", name="Go on").click()
    await expect(visit.page.get_by_role("button", name="Import", exact=True)).to_be_enabled()
    [only] = await own(gitlab, "/uploads", by=ann)
    assert only["offset"] == only["length"]


async def test_a_creation_whose_answer_was_lost_makes_one_upload(
    visit: Visit, gitlab: Instance, ann: str, file: Path
) -> None:
    visit.expect("uploads|ERR_FAILED|ERR_CONNECTION")
    made = 0

    async def lose(route: Route) -> None:
        nonlocal made
        if _is_creation(route.request) and not made:
            made += 1
            await route.fetch()
            await route.abort("connectionreset")
        else:
            await route.continue_()

    await visit.page.route("**/api/crossdock/v1/uploads", lose)
    await visit.open("/import")
    await visit.page.locator("label.drop input").set_input_files(file)
    await expect(visit.page.get_by_role("button", name="Import", exact=True)).to_be_enabled()
    assert made == 1
    assert len(await own(gitlab, "/uploads", by=ann)) == 1


async def test_an_upload_that_is_removed_is_not_imported_when_another_one_is(
    visit: Visit, gitlab: Instance, ann: str, file: Path
) -> None:
    await visit.page.route("**/api/crossdock/v1/uploads", creation := Late())
    await visit.open("/import")
    await visit.page.locator("label.drop input").set_input_files(file)
    await visit.page.get_by_role("button", name="Import when uploaded").click()
    await visit.page.get_by_role("button", name="Remove").click()
    await expect(visit.page.get_by_role("button", name="Import", exact=True)).to_be_disabled()
    await visit.page.get_by_role("button", name="Import", exact=True).click(force=True)
    await expect(visit.page.get_by_text("Choose a file first, or drop one on this page.")).to_be_visible()
    await expect(visit.page.locator("label.drop [type=file]")).to_be_focused()
    async with visit.page.expect_response(lambda each: each.request.method == "DELETE") as gone:
        creation.end.set()
    assert (await gone.value).status == 204
    await visit.page.locator("label.drop input").set_input_files(file)
    await visit.page.get_by_role("button", name="Import").click()
    await expect(visit.page.get_by_role("heading", level=1)).to_contain_text("finished")
    assert len(await own(gitlab, "/jobs", by=ann)) == 1


async def test_what_is_no_archive_is_refused_before_a_byte_is_sent(visit: Visit, tmp_path: Path) -> None:
    made = _uploads_made(visit)
    await visit.open("/import")
    chooser, told = visit.page.locator("label.drop input"), visit.page.get_by_role("alert")
    for content, words in (
        (b"", "is empty"),
        (b"PK\x03\x04", "is a ZIP file"),
        (bytes(257) + b"ustar", "is a tar file without compression"),
        (b"age-encryption.org/v1", "is encrypted by age"),
        (b"<html>Sign in</html>", "is no archive"),
    ):
        path = tmp_path / "x.tar.gz"
        path.write_bytes(content)
        await chooser.set_input_files(path)
        await expect(told).to_contain_text(words)
    assert made == []


async def test_an_archive_is_taken_whatever_its_name_is(visit: Visit, tmp_path: Path) -> None:
    path = tmp_path / "download (1)"
    path.write_bytes(LEFT_OUT)
    await visit.open("/import")
    await visit.page.locator("label.drop input").set_input_files(path)
    await expect(visit.page.get_by_text("uploaded.")).to_be_visible()


async def test_a_folder_and_several_files_that_are_dropped_are_refused_in_words(
    visit: Visit, file: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.tar.gz"
    other.write_bytes(LEFT_OUT)
    await visit.open("/import")
    told = visit.page.get_by_role("alert")
    await _drop(visit, tmp_path)
    await expect(told).to_contain_text("A folder cannot be imported")
    await _drop(visit, file, other)
    await expect(told).to_contain_text("several files")
    await _drop(visit, file, onto="h1")  # a near miss
    await expect(visit.page.get_by_text("uploaded.")).to_be_visible()
    await _drop(visit, other, onto="h1")
    refusal = visit.page.get_by_text("Another file is here already.")
    await expect(refusal).to_be_visible()
    await visit.page.get_by_role("link", name="Jobs", exact=True).click()
    await expect(refusal).to_have_count(0)  # it was about the page that is left


async def _drop(visit: Visit, *paths: Path, onto: str = "label.drop") -> None:
    """Drop files as a file manager does."""
    box = await visit.page.locator(onto).bounding_box()
    assert box is not None
    protocol = await visit.context.new_cdp_session(visit.page)
    for kind in ("dragEnter", "dragOver", "drop"):
        await protocol.send(
            "Input.dispatchDragEvent",
            {
                "type": kind,
                "x": box["x"] + box["width"] / 2,
                "y": box["y"] + box["height"] / 2,
                "data": {"items": [], "files": [str(each) for each in paths], "dragOperationsMask": 1},
            },
        )


async def test_a_file_over_the_limit_of_the_server_is_refused_before_a_byte_is_sent(
    visit: Visit, gitlab: Instance, tmp_path: Path
) -> None:
    made, path = _uploads_made(visit), tmp_path / "large.tar.gz"
    path.write_bytes(b"\x1f\x8b".ljust(1024 * 1024 + 1))
    async with gitlab.settings(max_import_size=1):
        await visit.open("/import")
        await expect(visit.page.get_by_text("1.05 MB")).to_be_visible()
        await visit.page.locator("label.drop input").set_input_files(path)
        await expect(visit.page.get_by_role("alert")).to_contain_text("uploads may have at most 1.05 MB")
    assert made == []


def _uploads_made(visit: Visit) -> list[str]:
    """The requests that make uploads, as they come."""
    made: list[str] = []
    visit.page.on("request", lambda each: made.append(each.url) if _is_creation(each) else None)
    return made


def _is_creation(asked: Request | Response) -> bool:
    request = asked if isinstance(asked, Request) else asked.request
    return request.url.endswith("/uploads") and request.method == "POST"


async def test_the_command_that_checks_a_file_is_copied_as_a_shell_takes_it(
    visit: Visit, tmp_path: Path
) -> None:
    path = tmp_path / "Ann's export.tar.gz"
    path.write_bytes(LEFT_OUT)
    await visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await visit.open("/import")
    await visit.page.locator("label.drop input").set_input_files(path)
    await expect(visit.page.get_by_text("uploaded.")).to_be_visible()
    await visit.page.get_by_role("button", name="Copy the command").click()
    await expect(visit.page.get_by_text("Copied the command.")).to_be_visible()
    copied = await visit.page.evaluate("navigator.clipboard.readText()")
    assert shlex.split(copied) == ["crossdock", "verify", "Ann's export.tar.gz"]


async def test_a_path_that_is_taken_is_told_at_its_field_before_the_upload(
    visit: Visit, gitlab: Instance, ann: str
) -> None:
    await gitlab.imported(ann, path="website")
    await gitlab.project(ann, "nothing")
    await visit.open("/import")
    path, told = visit.page.get_by_label("Path"), visit.page.get_by_role("alert")
    await path.fill("Website")
    await expect(told).to_contain_text("A project is there already")
    await path.fill("nothing")
    await expect(told).to_contain_text("A project without content is there already")
    await path.fill("a..b")
    await expect(told).to_contain_text("A path has letters")
    await path.fill("free")
    await expect(told).to_have_count(0)
    await expect(visit.page.get_by_text("It will be at")).to_contain_text("Nothing is there yet")


async def test_an_import_to_a_path_that_is_taken_leads_to_the_field_and_asks_for_nothing(
    visit: Visit, gitlab: Instance, ann: str
) -> None:
    await gitlab.imported(ann, path="website")
    page, sent = visit.page, []
    page.on("request", lambda each: sent.append(each.url) if each.method == "POST" else None)
    await visit.open("/import?from=url")
    path, told = page.get_by_label("Path"), page.get_by_role("alert")
    button = page.get_by_role("button", name="Import", exact=True)
    await page.get_by_label("Address of the archive").fill("https://gitlab.example.com/a.tar.gz")
    await page.route("**/crossdock/v1/projects?*", looked_late := Late())
    await path.fill("website")
    await button.click()
    await expect(button).to_have_attribute("aria-busy", "true")
    looked_late.end.set()
    for _ in range(2):  # before and after the form has looked
        await expect(told).to_contain_text("A project is there already")
        await expect(button).to_have_attribute("aria-disabled", "true")
        await expect(path).to_be_focused()
        await page.get_by_label("Address of the archive").focus()
        await button.click(force=True)  # playwright waits else until it is enabled
    assert sent == []
    await path.fill("free")
    await expect(button).to_have_attribute("aria-disabled", "false")
    await expect(told).to_have_count(0)


@pytest.mark.parametrize("width", WIDTHS)
async def test_the_button_stays_where_it_is_while_the_place_of_the_project_is_told(
    visiting_as: Visiting, ann: str, width: str
) -> None:
    async with visiting_as(ann, width=width) as visit:
        await visit.open("/import")
        button = visit.page.get_by_role("button", name="Import", exact=True)
        before = await button.bounding_box()
        await visit.page.get_by_label("Path").fill("free")
        await expect(visit.page.get_by_text("Nothing is there yet")).to_be_visible()
        assert await button.bounding_box() == before


async def test_a_project_is_replaced_by_whoever_says_so(
    visit: Visit, gitlab: Instance, ann: str, file: Path
) -> None:
    await gitlab.imported(ann, path="website")
    await visit.open("/import")
    await visit.page.locator("label.drop input").set_input_files(file)
    await expect(visit.page.get_by_role("alert")).to_contain_text("there already")
    await visit.page.get_by_role("button", name="Import", exact=True).click(force=True)
    await expect(visit.page.get_by_label("Path")).to_be_focused()
    await visit.page.get_by_label("Replace the project").check()
    await expect(visit.page.get_by_text("It will be at")).to_contain_text("takes the place")
    await visit.page.get_by_role("button", name="Import", exact=True).click()
    await expect(visit.page.get_by_role("heading", level=1)).to_contain_text("finished")


async def test_what_the_server_refuses_is_told_at_its_field_which_has_the_focus(visit: Visit) -> None:
    visit.expect("status of 4")
    await visit.open("/import?from=url")
    await visit.page.get_by_label("Address of the archive").fill("https://127.0.0.1:9/x.tar.gz")
    await visit.page.get_by_label("Path").fill("fetched")
    await visit.page.get_by_role("button", name="Import", exact=True).click()
    field = visit.page.get_by_label("Address of the archive")
    await expect(field).to_be_focused()
    await expect(field).to_have_attribute("aria-invalid", "true")
    await expect(visit.page.get_by_role("alert")).to_contain_text("could not be reached")


async def test_sources_are_chosen_by_arrow_keys_and_are_in_the_address(visit: Visit) -> None:
    await visit.open("/import")
    await visit.page.get_by_role("tab", name="A file").focus()
    for name, end in (("An address", "?from=url"), ("S3", "?from=s3"), ("GitHub", "?from=github")):
        await visit.page.keyboard.press("ArrowRight")
        await expect(visit.page.get_by_role("tab", name=name)).to_be_focused()
        assert visit.page.url.endswith(end)
