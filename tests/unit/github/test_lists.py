from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from shared.github.answers import Repository
from shared.github.lists import Catalogue, ReleaseMapper, map_labels, map_milestones, map_project
from shared.github.statistics import Tally
from shared.gitlab.visibility import Visibility
from tests.support.github_answers import (
    ANN,
    AT,
    BOB,
    NOW,
    ORIGIN,
    SHOWN,
    built,
    label,
    milestone,
    raw,
    release,
)


def labels(*page: Raw, tally: Tally | None = None) -> list[Any]:
    return [built(each) for each in map_labels(page, ORIGIN, tally or Tally())]


def milestones(*page: Raw, tally: Tally | None = None) -> list[Any]:
    return [built(each) for each in map_milestones(page, ORIGIN, tally or Tally())]


def releases(*page: Raw, tally: Tally | None = None, **more: Any) -> list[Any]:
    return [built(each) for each in ReleaseMapper(ORIGIN, set()).map(page, tally or Tally(), **more)]


def test_a_label_has_its_colour_and_the_time_of_the_import() -> None:
    [told] = labels(label("bug", description="broken"))
    assert (told["title"], told["color"], told["description"]) == ("bug", "#ff0000", "broken")
    assert (told["created_at"], told["project_id"], told["type"]) == (NOW, 7, "ProjectLabel")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (label("a,b"), "Validation failed: Title is invalid"),
        (label(" "), "Validation failed: Title can't be blank"),
        (label("x" * 256), "Validation failed: Title is too long (maximum is 255 characters)"),
        (label(color="red!"), "Validation failed: Color must be a valid color code"),
        (label(color=None), "Validation failed: Color must be a valid color code"),
        (raw({"color": "ff0000"}), "Object missing required field `name`"),
        (raw(None), "Expected `object`, got `null`"),
    ],
)
def test_a_label_that_gitlab_refuses_is_a_failure_and_others_are_mapped(answer: Raw, message: str) -> None:
    tally = Tally()
    assert [each["title"] for each in labels(answer, label("good"), tally=tally)] == ["good"]
    assert [each.message for each in tally.failures] == [message]
    assert tally.stats == {"fetched": {"label": 1}, "imported": {"label": 1}}


def test_a_milestone_keeps_its_number_and_is_due_on_the_day() -> None:
    [told] = milestones(milestone(3))
    assert (told["iid"], told["title"], told["state"], told["due_date"]) == (3, "v1", "active", "2024-05-06")
    assert (told["description"], told["created_at"]) == ("first", SHOWN)


def test_a_milestone_may_be_closed_and_have_neither_day_nor_description() -> None:
    [told] = milestones(milestone(3, state="closed", due_on=None, description=None))
    assert (told["state"], told["due_date"], told["description"]) == ("closed", None, "")


def test_a_failed_milestone_is_told_by_number_and_title() -> None:
    tally = Tally()
    assert milestones(milestone(3, title=" "), tally=tally) == []
    assert tally.failures[0].external_identifiers == {"iid": 3, "title": " "}


def test_a_release_has_its_text_and_its_files_as_links() -> None:
    file = {"id": 1, "name": "a.zip", "browser_download_url": "https://x.example/a.zip"} | {
        "created_at": AT, "updated_at": AT,
    }  # fmt: skip
    [told] = releases(release("v1.0", assets=[file, file]))
    assert (told["tag"], told["name"], told["description"]) == ("v1.0", "One", "text")
    assert (told["released_at"], told["author_id"]) == (SHOWN, 1)
    assert [(each["name"], each["url"]) for each in told["links"]] == [("a.zip", "https://x.example/a.zip")]


def test_a_draft_without_name_text_and_author_is_a_release_of_now() -> None:
    [told] = releases(release("v1.0", name=None, body=None, author=None, published_at=None))
    assert (told["name"], told["description"]) == ("v1.0", "Release for tag v1.0")
    assert (told["released_at"], told["author_id"]) == (NOW, 10137)


def test_the_text_of_a_release_is_rewritten() -> None:
    [told] = releases(
        release(author=BOB, body="@ann https://x.example/a"), uploads={"https://x.example/a": "/u"}
    )
    assert told["description"] == "*Created by: bob*\n\n`@ann` /u"


def test_of_two_releases_of_one_tag_the_first_counts() -> None:
    mapper, tally = ReleaseMapper(ORIGIN, {"v0"}), Tally()
    page = [release("v0"), release("v1", name="a"), release("v1", name="b")]
    assert [each.name for each in mapper.map(page, tally)] == ["a"]
    assert [dict(each.external_identifiers) for each in tally.failures] == [{"tag": "v0"}, {"tag": "v1"}]
    assert tally.stats["fetched"] == {"release": 1}


def test_a_project_is_private_or_as_its_namespace_is() -> None:
    repository = Repository(7, "octo/hello", description="a\0b", default_branch="main")
    told = built(map_project(repository, namespace_visibility=Visibility.INTERNAL))
    assert (told["visibility_level"], told["description"], told["default_branch"]) == (10, "ab", "main")
    private = Repository(7, "octo/hello", private=True)
    assert built(map_project(private, namespace_visibility=Visibility.INTERNAL))["visibility_level"] == 0


def test_the_catalogue_finds_labels_and_milestones() -> None:
    catalogue = Catalogue()
    for one in map_labels([label(" bug ")], ORIGIN, Tally()):
        catalogue.add_label(one)
    for other in map_milestones([milestone(3)], ORIGIN, Tally()):
        catalogue.add_milestone(other)
    found = catalogue.label(" bug ")
    assert found
    assert found.title == "bug"
    assert catalogue.milestone(3) == catalogue.titled("v1") is not None
    assert (catalogue.label("other"), catalogue.milestone(None), catalogue.titled("v2")) == (None, None, None)


def test_members_that_are_not_mapped_are_ignored() -> None:
    read = msgspec.json.decode(raw({"id": 7, "full_name": "octo/hello", "owner": ANN}), type=Repository)
    assert read == Repository(7, "octo/hello")


def test_files_of_a_release_that_are_uploads_are_listed_in_its_text_and_are_no_links() -> None:
    address = "https://x.example/a.zip"
    file = {
        "id": 1,
        "name": "a [b]\\.zip",
        "browser_download_url": address,
        "created_at": AT,
        "updated_at": AT,
    }
    other = file | {"name": "c.zip", "browser_download_url": "https://x.example/c.zip"}
    uploads = {address: "/uploads/1/a.zip"}
    mapper = ReleaseMapper(ORIGIN, set())
    (record,) = mapper.map([release(body="Text", assets=[file, other])], Tally(), uploads=uploads)
    assert record.description.endswith("Text\n\n* [a \\[b\\]\\\\.zip](/uploads/1/a.zip)")
    assert [link.name for link in record.links] == ["c.zip"]
