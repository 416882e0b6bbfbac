from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from shared.accounts.models import AccessLevel, User
from shared.gitlab.visibility import Visibility
from shared.projects.models import Project
from tests.support.api import Api
from tests.support.imported import imported
from tests.support.projects import ndjson, project
from tests.support.samples.table import packed

LISTS = ["issues", "labels", "merge_requests", "milestones", "releases", "snippets"]
MIB = 1024 * 1024


def _issues(count: int, *, padding: int = 0) -> bytes:
    record = {"description": "x" * padding, "state": "opened"}
    return ndjson(
        *(
            json.dumps({"iid": number, "title": f"issue {number}"} | record).encode()
            for number in range(1, count + 1)
        )
    )


async def _all(
    api: Api, made: Project, relation: str, *, per_page: int = 100, query: str = "sort=asc"
) -> list[Any]:
    found: list[Any] = []
    page = "1"
    while page:
        asked = f"{relation}?{query}&per_page={per_page}&page={page}"
        answer = await api.get(f"/projects/{made.id}/{asked}", by="ann")
        assert answer.status == 200
        found += answer.body
        assert answer.headers["X-Page"] == page
        page = answer.headers["X-Next-Page"]
    assert answer.headers["X-Total"] == str(len(found))
    return found


@pytest.mark.parametrize("relation", LISTS)
async def test_lists_of_a_project_without_content_are_empty(api: Api, ann: User, relation: str) -> None:
    made = await api.project(ann)
    answer = await api.get(f"/projects/{made.id}/{relation}", by="ann")
    assert (answer.status, answer.body, answer.headers["X-Total"]) == (200, [], "0")


@pytest.mark.parametrize("relation", LISTS)
async def test_lists_are_for_those_who_see_the_project(api: Api, ann: User, relation: str) -> None:
    private = await imported(api, ann)
    public = await api.project(ann, "public", visibility=Visibility.PUBLIC)
    await api.member("planner", private, AccessLevel.PLANNER)
    await api.user("bob")
    assert (await api.get(f"/projects/{private.id}/{relation}", by="planner")).status == 200
    for stranger in ("bob", None):
        answer = await api.get(f"/projects/{private.id}/{relation}", by=stranger)
        assert (answer.status, answer.body) == (404, {"message": "404 Project Not Found"})
        assert (await api.get(f"/projects/{public.id}/{relation}", by=stranger)).status == 200


async def test_every_record_is_on_one_page_in_the_archives_order_or_backwards(api: Api, ann: User) -> None:
    made = await imported(api, ann, project(issues=_issues(230, padding=20_000)))  # several segments
    assert await api.pool.fetchval("SELECT count(*) FROM segments") > 3
    found = await _all(api, made, "issues", per_page=70, query="sort=asc")
    assert [issue["iid"] for issue in found] == list(range(1, 231))
    assert len({issue["id"] for issue in found}) == 230
    for query, per_page in (("", 70), ("sort=desc", 33), ("sort=desc&order_by=created_at", 100)):
        backwards = await _all(api, made, "issues", per_page=per_page, query=query)
        assert backwards == found[::-1]
    behind = await api.get(f"/projects/{made.id}/issues?page=99", by="ann")
    assert (behind.status, behind.body, behind.headers["X-Total"]) == (200, [], "230")


async def test_a_null_line_is_no_record(api: Api, ann: User) -> None:
    nulls = b" null \n" * 200_000  # a whole segment of them, and more
    lines = _issues(2) + nulls + _issues(3) + b"null\n" + _issues(1)
    made = await imported(api, ann, project(issues=lines))
    assert [issue["iid"] for issue in await _all(api, made, "issues", per_page=2)] == [1, 2, 1, 2, 3, 1]


async def test_a_refused_line_is_not_counted(api: Api, ann: User) -> None:
    made = await imported(api, ann, project(issues=_issues(1) + b"{\n" + _issues(2)))
    assert [issue["iid"] for issue in await _all(api, made, "issues")] == [1, 1, 2]


async def test_a_page_of_long_records_is_sent_as_it_is_read(api: Api, ann: User) -> None:
    made = await imported(api, ann, project(issues=_issues(5, padding=MIB)))
    answer = await api.get(f"/projects/{made.id}/issues", by="ann")
    assert [len(issue["description"]) for issue in answer.body] == [MIB] * 5
    assert "Content-Length" not in answer.headers
    head = await api.call("HEAD", f"/api/v4/projects/{made.id}/issues", by="ann")
    assert (head.status, head.headers["X-Total"], head.body) == (200, "5", b"")


async def test_the_empty_list_of_a_missing_relation_has_a_tag(api: Api, ann: User) -> None:
    made = await imported(api, ann, project(issues=_issues(1)))
    for method, body in (("HEAD", b""), ("GET", [])):
        answer = await api.call(method, f"/api/v4/projects/{made.id}/labels", by="ann")
        assert (answer.status, answer.headers["Content-Length"], answer.body) == (200, "2", body)
        again = {"If-None-Match": answer.headers["ETag"]}
        assert (
            await api.call(method, f"/api/v4/projects/{made.id}/labels", by="ann", headers=again)
        ).status == 304


async def test_an_issue_has_what_the_archive_has(api: Api, ann: User) -> None:
    line = {
        "iid": 7, "title": "<b>", "description": "d\u2028", "state": "closed", "confidential": True,
        "created_at": "2019-08-07T03:57:55.007Z", "closed_at": "2020-08-07T03:57:55.007Z", "author_id": 3,
        "label_links": [{"label": {"title": "b"}}, {"label": {"title": "a"}}, {"label": None}],
        "milestone": {"title": "m", "iid": 2, "state": "active"}, "work_item_type": {"base_type": "incident"},
        "notes": [{"note": "secret"}], "weight": {"not": "a number"},
    }  # fmt: skip
    made = await imported(api, ann, project(issues=json.dumps(line).encode()))
    [issue] = await _all(api, made, "issues")
    assert issue == {
        "id": (made.id << 32) + 1, "iid": 7, "project_id": made.id, "title": "<b>", "description": "d\u2028",
        "state": "closed", "created_at": "2019-08-07T03:57:55.007Z", "updated_at": None, "labels": ["a", "b"],
        "milestone": {
            "id": None, "project_id": made.id, "iid": 2, "title": "m", "description": None, "state": "active",
            "created_at": None, "updated_at": None, "due_date": None, "start_date": None,
        },
        "author": None, "web_url": "https://gitlab.example.com/ann/project/-/issues/7",
        "closed_at": "2020-08-07T03:57:55.007Z", "assignees": [], "type": "INCIDENT",
        "issue_type": "incident", "confidential": True, "discussion_locked": None, "due_date": None,
        "weight": None,
    }  # fmt: skip


async def test_a_record_nested_as_deep_as_imports_allow_is_shown(api: Api, ann: User) -> None:
    deep = b'{"iid":1,"title":"t","milestone":%s}' % (b'{"a":' * 998 + b"1" + b"}" * 998)
    made = await imported(api, ann, project(issues=deep))
    [issue] = await _all(api, made, "issues")
    assert (issue["title"], issue["milestone"]) == ("t", None)


async def test_a_list_too_long_to_look_into_counts_as_empty(api: Api, ann: User) -> None:
    many = b",".join([b'{"label":{"title":"a"}}'] * 50_000)
    made = await imported(api, ann, project(issues=b'{"iid":1,"title":"t","label_links":[%s]}' % many))
    assert (await _all(api, made, "issues"))[0]["labels"] == []


async def test_every_relation_of_a_whole_project_is_listed(api: Api, ann: User) -> None:
    made = await imported(api, ann, packed("every_relation"))
    found = {relation: await _all(api, made, relation) for relation in LISTS}
    release, snippet = found["releases"][0], found["snippets"][0]
    assert {relation: len(items) for relation, items in found.items()} == {
        "issues": 10, "labels": 2, "merge_requests": 9, "milestones": 3, "releases": 3, "snippets": 1,
    }  # fmt: skip
    assert found["merge_requests"][0]["source_branch"] == "feature-9"
    assert found["labels"][0]["name"] == "bug"
    assert found["milestones"][0]["title"] == "The first"
    assert (release["tag_name"], release["assets"]["count"]) == ("v1", 1)
    assert (snippet["title"], snippet["visibility"]) == ("A snippet", "public")


async def test_a_list_of_a_project_whose_pack_is_lost_is_an_error(api: Api, ann: User) -> None:
    made = await imported(api, ann, project(issues=_issues(1)))
    for file in (api.folder / "packs").rglob("*"):
        if file.is_file():
            file.unlink()
    assert (await api.get(f"/projects/{made.id}/issues", by="ann")).status == 500


async def test_a_long_list_whose_pack_is_lost_midway_ends_short(api: Api, ann: User) -> None:
    made = await imported(api, ann, project(issues=_issues(5, padding=MIB)))
    await api.pool.execute("UPDATE segments SET crc32 = 0 WHERE first_line = 3")
    with pytest.raises(aiohttp.ClientPayloadError):
        await api.get(f"/projects/{made.id}/issues", by="ann")
