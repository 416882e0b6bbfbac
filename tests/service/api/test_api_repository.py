from __future__ import annotations

import pytest

from shared.accounts.models import AccessLevel, User
from shared.git import bundle_references
from tests.support.api import Api
from tests.support.imported import bundle_of, imported
from tests.support.projects import project
from tests.support.samples.table import packed

ONE, TWO, THREE = "1" * 40, "2" * 40, "3" * 40
BUNDLE = bundle_of(
    refs__heads__feature__x=TWO, refs__heads__main=ONE, refs__heads__a=ONE, refs__merge_requests__1__head=TWO,
    refs__tags__v2=THREE, refs__tags__v1=ONE, HEAD=ONE,
)  # fmt: skip


async def test_branches_come_from_the_header_of_the_bundle(api: Api, ann: User) -> None:
    made = await imported(api, ann, project(("project.bundle", BUNDLE)))
    answer = await api.get(f"/projects/{made.id}/repository/branches", by="ann")
    named = [(branch["name"], branch["commit"]["id"], branch["default"]) for branch in answer.body]
    assert named == [("a", ONE, False), ("feature/x", TWO, False), ("main", ONE, True)]
    assert answer.headers["X-Total"] == "3"
    page = await api.get(f"/projects/{made.id}/repository/branches?per_page=1&page=2", by="ann")
    assert [branch["name"] for branch in page.body] == ["feature/x"]


async def test_one_branch_is_found_by_its_name(api: Api, ann: User) -> None:
    made = await imported(api, ann, project(("project.bundle", BUNDLE)))
    answer = await api.get(f"/projects/{made.id}/repository/branches/feature%2Fx", by="ann")
    assert (answer.status, answer.body["commit"]) == (200, {"id": TWO, "short_id": "22222222"})
    missing = await api.get(f"/projects/{made.id}/repository/branches/none", by="ann")
    assert (missing.status, missing.body) == (404, {"message": "404 Branch Not Found"})


async def test_tags_come_from_the_header_of_the_bundle(api: Api, ann: User) -> None:
    made = await imported(api, ann, project(("project.bundle", BUNDLE)))
    answer = await api.get(f"/projects/{made.id}/repository/tags", by="ann")
    assert [(tag["name"], tag["target"]) for tag in answer.body] == [("v1", ONE), ("v2", THREE)]
    assert (await api.get(f"/projects/{made.id}/repository/tags/v2", by="ann")).body["name"] == "v2"
    missing = await api.get(f"/projects/{made.id}/repository/tags/none", by="ann")
    assert (missing.status, missing.body) == (404, {"message": "404 Tag Not Found"})


async def test_a_project_without_a_repository_has_no_branches(api: Api, ann: User) -> None:
    for made in (await api.project(ann, "new"), await imported(api, ann)):
        for kind in ("branches", "tags"):
            answer = await api.get(f"/projects/{made.id}/repository/{kind}", by="ann")
            assert (answer.status, answer.body, answer.headers["X-Total"]) == (200, [], "0")


async def test_references_are_for_those_who_see_the_project(api: Api, ann: User) -> None:
    made = await imported(api, ann, project(("project.bundle", BUNDLE)))
    await api.user("bob")
    for stranger in ("bob", None):
        answer = await api.get(f"/projects/{made.id}/repository/branches", by=stranger)
        assert (answer.status, answer.body) == (404, {"message": "404 Project Not Found"})


async def test_more_references_than_can_be_listed_are_told(
    api: Api, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_references, "MOST_REFERENCES", 4)
    made = await imported(api, ann, project(("project.bundle", BUNDLE)))
    answer = await api.get(f"/projects/{made.id}/repository/branches", by="ann")
    assert answer.status == 422
    assert answer.body == {"message": "the repository has more than 4 branches and tags"}
    assert (await api.get(f"/projects/{made.id}", by="ann")).body["default_branch"] is None


async def test_a_project_shows_its_default_branch_and_whether_it_is_empty(api: Api, ann: User) -> None:
    full = await imported(api, ann, project(("project.bundle", BUNDLE)))
    empty = await api.project(ann, "empty")
    shown = (await api.get(f"/projects/{full.id}", by="ann")).body
    assert (shown["default_branch"], shown["empty_repo"]) == ("main", False)
    shown = (await api.get(f"/projects/{empty.id}", by="ann")).body
    assert (shown["default_branch"], shown["empty_repo"]) == (None, True)


async def test_references_of_a_bundle_made_by_git_are_those_of_git(api: Api, ann: User) -> None:
    made = await imported(api, ann, packed("every_relation"))
    branches = (await api.get(f"/projects/{made.id}/repository/branches", by="ann")).body
    assert [(branch["name"], branch["default"]) for branch in branches] == [
        ("feature", False),
        ("main", True),
    ]
    assert (await api.get(f"/projects/{made.id}", by="ann")).body["default_branch"] == "main"


async def test_statistics_are_told_to_reporters_who_ask(api: Api, ann: User) -> None:
    uploads = [(f"uploads/{'a' * 32}/f", b"x" * 10), ("snippets/a.bundle", BUNDLE)]
    made = await imported(api, ann, project(("project.bundle", BUNDLE), *uploads))
    await api.member("rae", made, AccessLevel.REPORTER)
    await api.member("guest", made, AccessLevel.GUEST)
    shown = (await api.get(f"/projects/{made.id}?statistics=true", by="rae")).body["statistics"]
    assert (shown["repository_size"], shown["uploads_size"]) == (len(BUNDLE), 10)
    assert (shown["snippets_size"], shown["lfs_objects_size"]) == (len(BUNDLE), 0)
    assert shown["storage_size"] == 2 * len(BUNDLE) + 10
    assert "statistics" not in (await api.get(f"/projects/{made.id}", by="rae")).body
    assert "statistics" not in (await api.get(f"/projects/{made.id}?statistics=true", by="guest")).body
