"""Who the people of an archive are, told before its import."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.e2e.browser.conftest import Visiting
from tests.support.browsed import LEFT_OUT, own
from tests.support.browser import Visit
from tests.support.instance import Instance

HEADER = (
    "Source host,Import type,Source user identifier,Source user name,Source username,"
    "GitLab username,GitLab public email\n"
)


async def _chosen(visit: Visit, folder: Path) -> None:
    """Have a file uploaded, and the people open."""
    path = folder / "website.tar.gz"
    path.write_bytes(LEFT_OUT)
    await visit.open("/import")
    await visit.page.locator("label.drop input").set_input_files(path)
    await expect(visit.page.get_by_text("uploaded.")).to_be_visible()
    await visit.page.locator("details.people summary").focus()
    await visit.page.keyboard.press("Enter")


async def _map(gitlab: Instance, ann: str) -> list[dict[str, Any]]:
    """The rows of the map of the project, by their account, without what is empty."""
    found = await own(gitlab, f"/projects/{ann}%2Fwebsite/people", by=ann)
    return [{name: value for name, value in row.items() if value} for row in found["people"]]


async def test_people_are_named_added_and_removed_by_keyboard_alone(
    visit: Visit, gitlab: Instance, ann: str, tmp_path: Path
) -> None:
    await _chosen(visit, tmp_path)
    keys = visit.page.keyboard
    await visit.page.get_by_role("button", name="Add a person").focus()
    await keys.press("Enter")
    for word in ("alice", "alice@example.com"):
        await keys.type(word)
        await keys.press("Tab")
    await keys.press("Enter")  # another row
    await expect(visit.page.get_by_label("User name or id in the archive, row 2")).to_be_focused()
    for word in ("17", "bob@example.com", "bob"):
        await keys.type(word)
        await keys.press("Tab")
    await visit.page.get_by_role("button", name="Remove row 1").focus()
    await keys.press("Enter")
    await expect(visit.page.get_by_role("button", name="Remove row 1")).to_be_focused()
    await expect(visit.page.locator("details.people summary")).to_have_text("People (1 is named)")
    await visit.page.get_by_role("button", name="Import", exact=True).press("Enter")
    await expect(visit.page.get_by_role("heading", level=1)).to_contain_text("finished")
    assert await _map(gitlab, ann) == [
        {
            "source_user_identifier": "17",
            "gitlab_username": "bob",
            "gitlab_public_email": "bob@example.com",
        }
    ]


async def test_a_map_from_a_file_is_filled_in_and_keeps_its_columns(
    visit: Visit, gitlab: Instance, ann: str, tmp_path: Path
) -> None:
    path = tmp_path / "people.csv"
    path.write_text(HEADER + 'https://a.test,gitlab_project,7,"Smith, ""A""",alice,,\n', "utf-8-sig")
    await _chosen(visit, tmp_path)
    await visit.page.locator(".from-file input").set_input_files(path)
    await expect(visit.page.locator("[data-row]")).to_contain_text('Smith, "A" @alice')
    await visit.page.get_by_label("Public e-mail at the GitLab, row 1").fill("alice@example.com")
    await visit.page.get_by_role("button", name="Import", exact=True).click()
    await expect(visit.page.get_by_role("heading", level=1)).to_contain_text("finished")
    assert await _map(gitlab, ann) == [
        {
            "source_host": "https://a.test",
            "import_type": "gitlab_project",
            "source_user_identifier": "7",
            "source_user_name": 'Smith, "A"',
            "source_username": "alice",
            "gitlab_public_email": "alice@example.com",
        }
    ]


async def test_a_map_that_is_too_long_to_be_edited_is_sent_as_its_file_has_it(
    visit: Visit, gitlab: Instance, ann: str, tmp_path: Path
) -> None:
    path = tmp_path / "people.csv"
    lines = [f",,{number},,user{number},user{number},\n" for number in range(1, 202)]
    path.write_text(HEADER + "".join(lines))
    await _chosen(visit, tmp_path)
    await visit.page.locator(".from-file input").set_input_files(path)
    await expect(visit.page.get_by_text("sent as it is")).to_be_visible()
    await visit.page.get_by_role("button", name="Import", exact=True).click()
    await expect(visit.page.get_by_role("heading", level=1)).to_contain_text("finished")
    assert len(await _map(gitlab, ann)) == len(lines)


async def test_what_is_wrong_with_people_is_told_beside_them(visit: Visit, tmp_path: Path) -> None:
    visit.expect("status of 400")
    await _chosen(visit, tmp_path)
    told = visit.page.get_by_role("alert")
    for content, words in (
        ("a,b\n", "lacks columns"),
        (f'{HEADER}"a', "line 2 has a quotation mark"),
        ("[1]", "not a list of rows"),
    ):
        path = tmp_path / "people.csv"
        path.write_text(content)
        await visit.page.locator(".from-file input").set_input_files(path)
        await expect(told).to_contain_text(words)
    await visit.page.get_by_role("button", name="Add a person").click()
    await visit.page.get_by_label("Public e-mail at the GitLab, row 1").fill("alice@example.com")
    await visit.page.get_by_role("button", name="Import", exact=True).click()
    await expect(visit.page.get_by_text("row 1, Source user identifier: it is empty")).to_be_visible()


@pytest.mark.parametrize(("width", "scheme"), [("narrow", "light"), ("wide", "dark")])
async def test_a_filled_in_form_can_be_used_by_everybody_in(
    visiting_as: Visiting, ann: str, tmp_path: Path, width: str, scheme: str
) -> None:
    async with visiting_as(ann, width=width, scheme=scheme) as visit:
        await _chosen(visit, tmp_path)
        await visit.page.get_by_role("button", name="Add a person").click()
        await visit.page.get_by_label("Path").fill("a..b")
        await expect(visit.page.get_by_role("alert")).to_contain_text("A path has letters")
        await visit.look(f"import-filled-{width}-{scheme}")
        assert (await visit.violations(), await visit.overflows()) == ([], False)
