"""What a project hides from a reader: the rules of records and of features beyond the plain matrix."""

from __future__ import annotations

import json
from typing import Any

from shared.accounts.models import AccessLevel, User
from shared.gitlab.visibility import Visibility
from shared.projects.models import Project
from shared.usecases.access import find_visible_project
from shared.usecases.content import content_of
from shared.usecases.policy import Kind
from tests.support.api import Api
from tests.support.imported import bundle_of
from tests.support.projects import Dock, ndjson, project
from tests.support.snapshots import Pusher

CONFIDENTIAL = {"confidential": True}
BUNDLE = ("project.bundle", bundle_of(refs__heads__main="1" * 40))


def lines(*records: dict[str, Any]) -> bytes:
    return ndjson(*(json.dumps(record).encode() for record in records))


def issue(iid: int, **more: Any) -> dict[str, Any]:
    return {"iid": iid, "title": f"t{iid}", "state": "opened", "label_links": []} | more


async def public(api: Api, owner: User, packed: bytes, **order: Any) -> Project:
    """A public project with what is in the archive."""
    made = await api.project(owner, visibility=Visibility.PUBLIC)
    await put(api, made, packed, **order)
    return made


async def put(api: Api, made: Project, packed: bytes, **order: Any) -> None:
    """Import into the project."""
    done = await Dock(api.pool, api.folder).run_import(
        packed, project_id=made.id, user_id=made.creator_id or 0, **order
    )
    assert done.error is None


async def iids(api: Api, made: Project, query: str = "", *, by: str | None = None) -> list[int]:
    """The issues of a list, whose total is checked."""
    answer = await api.get(f"/projects/{made.id}/issues?sort=asc&{query}", by=by)
    assert answer.status == 200
    assert answer.headers["X-Total"] == str(len(answer.body))
    return [each["iid"] for each in answer.body]


async def test_filters_find_no_confidential_issue_for_who_may_not_see_it(api: Api, ann: User) -> None:
    label = {"label_links": [{"label": {"title": "bug"}}]}
    records = (issue(1), issue(2, **CONFIDENTIAL, **label), issue(3, **label, state="closed"))
    made = await public(api, ann, project(issues=lines(*records)))
    for query, all_of_them, open_ones in (
        ("labels=bug", [2, 3], [3]),
        ("state=opened", [1, 2], [1]),
        ("iids[]=2", [2], []),
        ("labels=Any", [2, 3], [3]),
    ):
        assert await iids(api, made, query, by="ann") == all_of_them
        assert await iids(api, made, query) == open_ones


async def test_pages_hold_visible_records_alone(api: Api, ann: User) -> None:
    records = [issue(number, confidential=number % 3 == 0) for number in range(1, 21)]
    made = await public(api, ann, project(issues=lines(*records)))
    found: list[int] = []
    for page in range(1, 5):
        answer = await api.get(f"/projects/{made.id}/issues?per_page=5&page={page}")
        assert (answer.headers["X-Total"], answer.headers["X-Total-Pages"]) == ("14", "3")
        found += [each["iid"] for each in answer.body]
    assert found == [number for number in range(20, 0, -1) if number % 3]


async def test_two_readers_of_one_list_do_not_get_the_totals_of_each_other(api: Api, ann: User) -> None:
    made = await public(api, ann, project(issues=lines(issue(1), issue(2, **CONFIDENTIAL))))
    for _ in range(2):
        assert await iids(api, made, "state=opened", by="ann") == [1, 2]
        assert await iids(api, made, "state=opened") == [1]


async def test_a_hidden_record_is_answered_as_one_that_does_not_exist(api: Api, ann: User) -> None:
    packed = project(
        issues=lines(issue(1, **CONFIDENTIAL)), snippets=lines({"title": "s", "visibility_level": 0})
    )
    made = await public(api, ann, packed)
    for hidden, missing in (
        ("issues/1", "issues/2"),
        (f"snippets/{(made.id << 32) + 1}", f"snippets/{(made.id << 32) + 2}"),
    ):
        answers = [await api.get(f"/projects/{made.id}/{each}") for each in (hidden, missing)]
        assert [(each.status, each.body) for each in answers] == [(404, {"message": "404 Not found"})] * 2


async def test_a_hidden_kind_says_nothing_of_its_records(api: Api, ann: User) -> None:
    packed = project(
        merge_requests=lines(issue(1, source_branch="a", target_branch="b")),
        project_feature=lines({"merge_requests_access_level": 10}),
    )
    made = await public(api, ann, packed)
    for iid in (1, 2):
        answer = await api.get(f"/projects/{made.id}/merge_requests/{iid}")
        assert (answer.status, answer.body) == (403, {"message": "403 Forbidden"})


async def test_branches_of_a_repository_that_is_off_are_not_found(api: Api, ann: User) -> None:
    made = await public(api, ann, project(BUNDLE, project_feature=lines({"repository_access_level": 0})))
    answer = await api.get(f"/projects/{made.id}/repository/branches", by="ann")
    assert (answer.status, answer.body) == (404, {"message": "404 Repository Not Found"})


async def test_the_default_branch_is_shown_to_readers_of_the_code(api: Api, ann: User) -> None:
    made = await public(api, ann, project(BUNDLE, project_feature=lines({"repository_access_level": 10})))
    await api.member("guest", made, AccessLevel.GUEST)
    await api.member("planner", made, AccessLevel.PLANNER)
    for reader, branch in ((None, None), ("guest", None), ("planner", "main"), ("ann", "main")):
        assert (await api.get(f"/projects/{made.id}", by=reader)).body["default_branch"] == branch


async def test_a_release_hides_the_code_and_the_milestones_from_who_may_not_read_them(
    api: Api, ann: User
) -> None:
    release = {"tag": "v1", "name": "one", "sha": "1" * 40,
               "milestone_releases": [{"milestone": {"title": "m"}}]}  # fmt: skip
    closed = {"issues_access_level": 10, "repository_access_level": 10}
    made = await public(api, ann, project(releases=lines(release), project_feature=lines(closed)))
    [shown] = (await api.get(f"/projects/{made.id}/releases", by="ann")).body
    assert (shown["tag_name"], shown["commit"]["id"], shown["assets"]["sources"]) == ("v1", "1" * 40, [])
    assert [each["title"] for each in shown["milestones"]] == ["m"]
    [hidden] = (await api.get(f"/projects/{made.id}/releases")).body
    assert hidden.keys().isdisjoint({"tag_name", "commit"})
    assert (hidden["name"], hidden["milestones"]) == ("one", [])
    assert hidden["assets"] == {"count": 0, "links": []}


async def test_the_last_record_of_features_counts_and_null_is_none(api: Api, ann: User) -> None:
    records = lines({"issues_access_level": 20}, {"issues_access_level": 10}) + b"null\n"
    made = await public(api, ann, project(issues=lines(issue(1)), project_feature=records))
    assert await iids(api, made) == []
    assert await iids(api, made, by="ann") == [1]


async def test_an_import_may_override_the_features_of_its_archive(api: Api, ann: User) -> None:
    packed = project(issues=lines(issue(1)), project_feature=lines({"issues_access_level": 20}))
    made = await public(api, ann, packed, override_params={"issues_access_level": "private"})
    assert await iids(api, made) == []
    assert await iids(api, made, by="ann") == [1]


async def test_a_relation_import_keeps_the_features_of_the_project(api: Api, ann: User) -> None:
    made = await public(api, ann, project(project_feature=lines({"issues_access_level": 10})))
    assert (await Dock(api.pool, api.folder).run_relation(project(issues=lines(issue(1))))).error is None
    assert await iids(api, made) == []
    assert await iids(api, made, by="ann") == [1]


async def test_a_push_brings_its_own_features(api: Api, ann: User) -> None:
    made = await public(api, ann, project(project_feature=lines({"issues_access_level": 20})))
    features = lines({"issues_access_level": 10})
    sent = {"relations__issues": lines(issue(1)), "relations__project_feature": features}
    await Pusher(api, made, ann).pushed(project=b'{"visibility_level":20}', **sent)
    assert await iids(api, made) == []
    assert await iids(api, made, by="ann") == [1]


async def test_a_push_whose_features_are_replaced_while_they_are_read_is_not_committed(
    api: Api, ann: User
) -> None:
    pushing = Pusher(api, await api.project(ann), ann)
    await pushing.open()
    await pushing.put("project", b"{}")
    await pushing.put("relations/project_feature", lines({"issues_access_level": 10}))
    await api.pool.execute("DELETE FROM segments")  # so it looks between the deletion and the new rows
    refused = await pushing.commit()
    assert (refused.status, json.loads(refused.body)["code"]) == (409, "push_moving")


async def test_features_of_a_snapshot_that_a_version_before_committed_are_read_once(
    api: Api, ann: User
) -> None:
    packed = project(issues=lines(issue(1)), project_feature=lines({"issues_access_level": 10}))
    made = await public(api, ann, packed)
    await api.pool.execute("UPDATE snapshots SET features = NULL")
    assert await iids(api, made) == []
    assert await api.pool.fetchval("SELECT features->>'issues' FROM snapshots") == "10"
    assert await iids(api, made) == []


async def test_features_that_a_version_before_did_not_know_are_read(api: Api, ann: User) -> None:
    packed = project(issues=lines(issue(1)), project_feature=lines({"issues_access_level": 10}))
    made = await public(api, ann, packed)
    await api.pool.execute("UPDATE snapshots SET features = features - 'issues'")
    assert await iids(api, made) == []


async def test_features_that_cannot_be_read_open_nothing_and_the_project_is_shown(
    api: Api, ann: User
) -> None:
    made = await public(api, ann, project(BUNDLE, issues=lines(issue(1)), project_feature=lines({})))
    await api.pool.execute("UPDATE snapshots SET features = NULL")
    await api.pool.execute("UPDATE segments SET crc32 = crc32 # 1 WHERE name LIKE '%project_feature%'")
    assert (await api.get(f"/projects/{made.id}/issues")).status == 500
    shown = await api.get(f"/projects/{made.id}")
    assert (shown.status, shown.body["default_branch"], shown.body["empty_repo"]) == (200, None, False)


async def test_content_is_shown_by_the_visibility_that_it_came_with(api: Api, ann: User) -> None:
    made = await public(api, ann, project(issues=lines(issue(1))))
    found = await find_visible_project(api.pool, None, str(made.id))
    await api.pool.execute("UPDATE projects SET visibility = 0")  # as a commit does between two statements
    content = await content_of(api.pool, api.store, found)
    assert [kind for kind in Kind if content.policy.may_list(kind)] == []


async def test_only_maintainers_read_what_a_failed_record_holds(api: Api, ann: User) -> None:
    made = await public(api, ann, project(issues=b'{"title":"t"} secret\n'))
    await api.user("bob")
    for reader, shows in (("ann", True), ("bob", False)):
        [failed] = (await api.get(f"/projects/{made.id}/import", by=reader)).body["failed_relations"]
        assert failed["relation_name"] == "issues"
        assert ("secret" in (failed["exception_message"] or "")) is shows
