from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.api.crossdock import failures
from services.api.http.places import PLACES, PlaceNumbers
from shared.accounts.memberships import add_member
from shared.accounts.models import AccessLevel, User
from shared.accounts.namespaces import create_group
from shared.admission import Holder
from shared.jobs.lists import JobQuery, job_list_query
from shared.jobs.models import ExportOrder, ImportOrder, Job, JobKind, JobState, RemoteSource
from shared.projects import store
from tests.support.api import Answer, Api

NEXT = re.compile(r'<https://gitlab\.example\.com([^>]+)>; rel="next"')
MANY = """INSERT INTO jobs (kind, state, project_id, user_id, correlation_id, max_attempts, finished_at)
          SELECT 'export', CASE WHEN n % 1000 = 0 THEN 'failed' ELSE 'finished' END, p.id, $1, 'c', 5, now()
          FROM generate_series(1, 20000) n JOIN projects p ON p.id % 20 = n % 20"""
FAILED = """INSERT INTO failed_relations
                (job_id, lease, relation, line_number, source, exception_class, exception_message)
            SELECT $1, $2, 'issues', n, 's', 'c', 'm' || n FROM generate_series(1, $3) n"""


async def _list(api: Api, query: str = "", *, by: str = "ann") -> Answer:
    return await api.call("GET", f"/api/crossdock/v1/jobs{query}", by=by)


async def _ids(api: Api, query: str = "", *, by: str = "ann") -> list[int]:
    answer = await _list(api, query, by=by)
    assert answer.status == 200, answer
    return [job["id"] for job in answer.body]


async def _all(api: Api, path: str, *, by: str = "ann") -> list[list[Any]]:
    """Every page, as ``Link`` leads."""
    pages = []
    while path:
        answer = await api.call("GET", path, by=by)
        assert answer.status == 200, answer
        pages.append(answer.body)
        link = NEXT.search(answer.headers.get("Link", ""))
        path = link[1] if link else ""
    return pages


async def _jobs(api: Api, user: User, count: int) -> list[Job]:
    project = await api.project(user, f"p-{user.username}")
    return [await api.job(project, user) for _ in range(count)]


@pytest.mark.parametrize(("by", "query"), [("ann", ""), ("root", ""), ("root", "&state=queued")])
async def test_jobs_are_listed_the_newest_first_and_page_by_page(api: Api, by: str, query: str) -> None:
    made = await _jobs(api, await api.user("ann"), 5)
    await api.user("root", is_admin=True)

    pages = await _all(api, f"/api/crossdock/v1/jobs?per_page=2{query}", by=by)

    assert [[job["id"] for job in page] for page in pages] == [
        [made[4].id, made[3].id], [made[2].id, made[1].id], [made[0].id],
    ]  # fmt: skip


async def test_a_page_misses_and_repeats_nothing_where_jobs_come_meanwhile(api: Api) -> None:
    ann = await api.user("ann")
    made = await _jobs(api, ann, 3)
    first = await _list(api, "?per_page=2")
    await _jobs_of(api, ann, 2)

    second = await api.call("GET", NEXT.search(first.headers["Link"])[1], by="ann")  # type: ignore[index]  # it leads on

    assert [job["id"] for job in second.body] == [made[0].id]


async def _jobs_of(api: Api, user: User, count: int) -> None:
    project = await store.find_by_path(api.pool, f"{user.username}/p-{user.username}")
    assert project is not None
    for _ in range(count):
        await api.job(project, user)


async def test_a_link_keeps_the_filters_and_shows_no_token(api: Api) -> None:
    await _jobs(api, await api.user("ann"), 2)
    token = api.tokens["ann"]
    answer = await api.call("GET", f"/api/crossdock/v1/jobs?per_page=1&kind=export&private_token={token}")
    assert "kind=export" in answer.headers["Link"]
    assert token not in answer.headers["Link"]


async def test_jobs_are_listed_to_those_who_administer_their_projects(api: Api) -> None:
    ann = await api.user("ann")
    (job,) = await _jobs(api, ann, 1)
    project = await store.find_by_id(api.pool, job.project_id)
    assert project is not None
    group = await create_group(api.pool, "group", name="group")
    below = await create_group(api.pool, "below", name="below", parent=group)
    inside = await store.create(
        api.pool, store.NewProject(namespace_id=below.id, creator_id=ann.id, path="x", name="x")
    )
    other = await api.job(inside, ann)
    await api.member("maintainer", project, AccessLevel.MAINTAINER)
    await api.member("developer", project, AccessLevel.DEVELOPER)
    above = await api.user("above")
    await add_member(api.pool, above.id, namespace_id=group.id, level=AccessLevel.OWNER)
    await api.user("root", is_admin=True)

    assert await _ids(api) == [job.id]
    assert await _ids(api, by="maintainer") == [job.id]
    assert await _ids(api, by="developer") == []
    assert await _ids(api, by="above") == [other.id]
    assert await _ids(api, by="root") == [other.id, job.id]


async def test_filters_find_what_they_say(api: Api) -> None:
    ann = await api.user("ann")
    one, two = await api.project(ann, "one"), await api.project(ann, "two")
    bob = await api.member("bob", one, AccessLevel.MAINTAINER)
    imported = await api.job(one, ann, ImportOrder())
    exported, waiting = await api.job(one, bob, ExportOrder()), await api.job(two, ann, ExportOrder())
    await api.finished(exported)
    await api.failed(imported, "broken")
    created = "UPDATE jobs SET created_at = created_at - interval '1 day' WHERE id = $1"
    await api.pool.execute(created, imported.id)
    hour_ago = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")

    found = {
        query: await _ids(api, f"?{query}")
        for query in (
            "kind=import", "state=queued", f"project={one.id}", "project=ann%2Ftwo", "mine=true", "user=bob",
            f"user={ann.id}", f"created_after={hour_ago}", f"created_before={hour_ago}",
            f"finished_after={hour_ago}", f"finished_before={hour_ago}", "kind=export&state=finished",
        )
    }  # fmt: skip

    assert list(found.values()) == [
        [imported.id], [waiting.id], [exported.id, imported.id], [waiting.id], [waiting.id, imported.id],
        [exported.id], [waiting.id, imported.id], [waiting.id, exported.id], [imported.id],
        [exported.id, imported.id], [], [exported.id],
    ]  # fmt: skip


@pytest.mark.parametrize("by", ["ann", "root"])
async def test_jobs_of_several_kinds_and_states_are_listed_in_one_order(api: Api, by: str) -> None:
    ann = await api.user("ann")
    await api.user("root", is_admin=True)
    project = await api.project(ann)
    exports = [await api.job(project, ann, ExportOrder()) for _ in range(3)]
    imports = [await api.job(project, ann, ImportOrder()) for _ in range(3)]
    await api.finished(exports[0])
    await api.failed(imports[0], "broken")

    both = await _ids(api, "?state=failed,finished", by=by)
    kinds = await _ids(api, "?kind=import,export&state=queued,failed&per_page=4", by=by)
    pages = await _all(api, "/api/crossdock/v1/jobs?kind=import,export&per_page=4", by=by)

    assert both == [imports[0].id, exports[0].id]
    assert kinds == [imports[2].id, imports[1].id, imports[0].id, exports[2].id]
    assert [job["id"] for page in pages for job in page] == sorted(
        (job.id for job in (*exports, *imports)), reverse=True
    )


@pytest.mark.parametrize("by", ["ann", "root"])
async def test_jobs_are_found_by_a_part_of_the_path_of_their_project(api: Api, by: str) -> None:
    ann = await api.user("ann")
    await api.user("root", is_admin=True)
    shop, ship = await api.project(ann, "web-shop"), await api.project(ann, "ship_1")
    in_shop, in_ship = await api.job(shop, ann), await api.job(ship, ann, ImportOrder())

    found = {
        search: await _ids(api, f"?search={search}", by=by)
        for search in ("SHOP", "ann/web", "sh", "p_1", "p%251", "none")
    }

    assert list(found.values()) == [
        [in_shop.id],
        [in_shop.id],
        [in_ship.id, in_shop.id],
        [in_ship.id],
        [],
        [],
    ]
    assert await _ids(api, "?search=sh&kind=export", by=by) == [in_shop.id]


async def test_jobs_of_a_namespace_are_those_of_all_below_it(api: Api) -> None:
    ann = await api.user("ann")
    await api.user("eve")
    own = await api.job(await api.project(ann), ann)
    group = await create_group(api.pool, "group", name="group")
    below = await create_group(api.pool, "below", name="below", parent=group)
    await add_member(api.pool, ann.id, namespace_id=group.id, level=AccessLevel.OWNER)
    inside = await store.create(
        api.pool, store.NewProject(namespace_id=below.id, creator_id=ann.id, path="x", name="x")
    )
    other = await api.job(inside, ann)

    assert await _ids(api, "?namespace=group") == [other.id]
    assert await _ids(api, f"?namespace={below.id}&search=group") == [other.id]
    assert await _ids(api, "?namespace=ann") == [own.id]
    assert (await _list(api, "?namespace=group", by="eve")).status == 404


@pytest.mark.parametrize(
    ("query", "status", "detail"),
    [
        ("per_page=101", 400, "per_page must be between 1 and 100"),
        ("per_page=0", 400, "per_page must be between 1 and 100"),
        ("per_page=x", 400, "per_page is invalid"),
        ("cursor=%C3%A4", 400, "cursor is invalid"),
        ("cursor=AAAA", 400, "cursor is invalid"),
        ("cursor=gAAAAAAAAAA", 400, "cursor is invalid"),
        ("kind=other", 400, "kind does not have a valid value"),
        ("state=other", 400, "state does not have a valid value"),
        ("state=failed,other", 400, "state does not have a valid value"),
        ("state=failed,", 400, "state does not have a valid value"),
        ("namespace=none", 404, "Namespace Not Found"),
        ("created_after=yesterday", 400, "created_after is invalid"),
        ("created_after=0001-01-01T00:00:00%2B14:00", 400, "created_after is invalid"),
        ("mine=true&user=ann", 400, "mine, user are mutually exclusive"),
        ("project=ann%2Fnone", 404, "Project Not Found"),
        ("project=eve%2Fproject", 404, "Project Not Found"),
        ("user=nobody", 404, "User Not Found"),
    ],
)
async def test_a_wrong_filter_is_told_by_its_name(api: Api, query: str, status: int, detail: str) -> None:
    await api.user("ann")
    await api.project(await api.user("eve"))
    answer = await _list(api, f"?{query}")
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert json.loads(answer.body)["detail"] == detail


async def test_an_import_from_elsewhere_is_listed_and_shown_as_an_import(api: Api) -> None:
    ann = await api.user("ann")
    project = await api.project(ann)
    here = await api.job(project, ann, ImportOrder())
    elsewhere = await api.job(project, ann, ImportOrder(source=RemoteSource(url="sealed")))
    await api.job(project, ann, ExportOrder())
    assert elsewhere.kind is JobKind.REMOTE_IMPORT
    assert await _ids(api, "?kind=import") == [elsewhere.id, here.id]
    assert [job["kind"] for job in (await _list(api)).body] == ["export", "import", "import"]
    assert (await _list(api, "?kind=remote_import")).status == 400


async def test_a_project_that_is_only_seen_has_no_jobs_to_show(api: Api) -> None:
    project = await api.project(await api.user("ann"))
    await api.member("bob", project, AccessLevel.DEVELOPER)
    assert (await _list(api, f"?project={project.id}", by="bob")).status == 403


async def test_a_list_has_no_progress_of_relations(api: Api) -> None:
    (job,) = await _jobs(api, await api.user("ann"), 1)
    lines = {"issues": {"lines": 1, "failed": 0}}
    await api.pool.execute(
        "UPDATE jobs SET progress = $2 WHERE id = $1", job.id, {"entries": 3, "relations": lines}
    )
    (shown,) = (await _list(api)).body
    assert shown["progress"] == {"entries": 3, "bytes_per_second": None, "remaining_seconds": None}


@pytest.mark.parametrize(
    ("query", "is_admin"),
    [
        (JobQuery(), False),
        (JobQuery(), True),
        (JobQuery(states=[JobState.FAILED]), True),
        (JobQuery(states=[JobState.FAILED, JobState.CANCELED]), True),
        (JobQuery(kinds=[JobKind.IMPORT, JobKind.BACKUP]), True),
        (JobQuery(kinds=[JobKind.EXPORT], states=[JobState.FAILED, JobState.FINISHED]), True),
        (JobQuery(search="p1"), True),
        (JobQuery(search="p1"), False),
        (JobQuery(namespace_id=1), True),
        (JobQuery(user_id=2), True),
        (JobQuery(user_id=1, limit=5), False),
        (JobQuery(project_id=1, kinds=[JobKind.EXPORT]), True),
        (JobQuery(project_id=1, kinds=[JobKind.EXPORT, JobKind.UPLOAD]), True),
    ],
)
async def test_a_list_reads_no_more_jobs_than_it_needs(api: Api, query: JobQuery, is_admin: bool) -> None:  # noqa: FBT001  # a parameter
    ann = await api.user("ann")
    for number in range(20):
        await api.project(ann, f"p{number}")
    # What autovacuum sees of the rows while they come would count as the statistics.
    await api.pool.execute("ALTER TABLE jobs SET (autovacuum_enabled = false)")
    async with api.pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")  # no triggers: no events
        await connection.execute(MANY, ann.id)
    await api.pool.execute("ANALYZE")

    sql, values = job_list_query(query, administrator=None if is_admin else ann)
    told = await api.pool.fetchval(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}", *values)
    (plan,) = json.loads(told)

    assert _rows(plan["Plan"]) <= 20 * 20


def _rows(plan: dict[str, Any]) -> int:
    """How many rows of jobs the plan has looked at."""
    own = 0
    if plan.get("Relation Name") == "jobs":
        own = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    return int(own) + sum(_rows(each) for each in plan.get("Plans", []))


async def _failed_import(api: Api, count: int) -> Job:
    ann = await api.user("ann")
    job = await api.job(await api.project(ann), ann, ImportOrder())
    await api.failed(job, "broken")
    await api.pool.execute(FAILED, job.id, 0, 3)  # of an earlier attempt
    await api.pool.execute(FAILED, job.id, 1, count)
    return job


async def test_failures_are_listed_page_by_page_as_they_were_found(api: Api) -> None:
    job = await _failed_import(api, 5)

    pages = await _all(api, f"/api/crossdock/v1/jobs/{job.id}/failures?per_page=2")

    assert [[each["line_number"] for each in page] for page in pages] == [[1, 2], [3, 4], [5]]
    assert pages[0][0].items() >= {"relation_name": "issues", "exception_message": "m1"}.items()


@pytest.mark.parametrize(
    ("query", "headers"), [("?format=ndjson", {}), ("", {"Accept": "application/x-ndjson, */*;q=0.1"})]
)
async def test_all_failures_come_as_lines_a_bounded_number_at_a_time(
    api: Api, query: str, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "_AT_ONCE", 100)
    job = await _failed_import(api, 1001)
    path = f"/api/crossdock/v1/jobs/{job.id}/failures{query}"

    answer = await api.call("GET", path, by="ann", headers=headers)

    assert answer.headers["Content-Type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.body.splitlines()]
    assert [line["line_number"] for line in lines] == list(range(1, 1002))
    head = await api.call("HEAD", path, by="ann", headers=headers)
    assert (head.status, head.headers["Content-Type"]) == (200, "application/x-ndjson")


async def test_failures_are_no_business_of_others(api: Api) -> None:
    job = await _failed_import(api, 1)
    await api.user("eve")
    for query in ("", "?format=ndjson"):
        path = f"/api/crossdock/v1/jobs/{job.id}/failures{query}"
        assert (await api.call("GET", path, by="eve")).status == 404
        assert (await api.call("GET", path)).status == 401


@pytest.mark.parametrize("api", [{"project_import_limit": 6, "max_import_size": 5}], indirect=True)
async def test_limits_tell_what_holds_for_the_caller_and_what_is_left(api: Api) -> None:
    await api.user("ann")
    before = (await api.call("GET", "/api/crossdock/v1/limits", by="ann")).body
    refused = await api.post("/projects/remote-import", by="ann", json={"path": "p", "url": "https://[x"})
    await api.post("/projects", by="ann", json={"path": "p"})

    after = (await api.call("GET", "/api/crossdock/v1/limits", by="ann")).body

    assert refused.status == 400
    assert before["imports"] == {
        "enabled": True, "upload_size": 5 * 2**20, "remote_size": 10240 * 2**20, "retry_seconds": 86400,
        "rate": {"per_minute": 6, "remaining": 6, "reset_at": None}, "github_rate": None,
    }  # fmt: skip
    assert after["imports"]["rate"]["remaining"] == 5
    assert after["imports"]["rate"]["reset_at"].endswith("Z")
    assert (before["exports"]["rate"], before["exports"]["content_size"]) == (None, None)
    assert (before["projects"], after["projects"]["used"]) == ({"limit": 100_000, "used": 0}, 1)
    assert before["archive"] == {
        "decompressed_size": 25600 * 2**20, "entries": 5_000_000, "entry_name_size": 2600,
        "line_size": 50 * 2**20, "json_depth": 1000,
        "prices": {
            "gift": 2**20, "line": 4, "entry": 16, "ratio": 1000, "parsed_ratio": 165, "bracket_ratio": 24
        },
    }  # fmt: skip


@pytest.mark.parametrize("api", [{"places": PlaceNumbers(uploads=40)}], indirect=True)
async def test_limits_tell_the_places_of_each_kind_and_those_that_the_caller_holds(api: Api) -> None:
    ann = await api.user("ann")
    async with api.app[PLACES].uploads.hold(Holder.of_user(ann.id)):
        limits = (await api.call("GET", "/api/crossdock/v1/limits", by="ann")).body

    assert limits["records"] == {"pass_seconds": 10.0}
    assert limits["places"]["uploads"] == {
        "total": 40, "share": 10, "held": 1, "waiting": 8, "waiting_total": 200,
        "patience_seconds": 30.0,
    }  # fmt: skip
    assert {name: (place["total"], place["share"]) for name, place in limits["places"].items()} == {
        "uploads": (40, 10), "downloads": (32, 8), "download_connections": (16, 4),
        "event_streams": (200, 20), "record_passes": (2, 1), "record_lookups": (2, 1), "documents": (2, 1),
        "token_lookups": (5, 1),
    }  # fmt: skip


async def test_limits_are_for_users(api: Api) -> None:
    assert (await api.call("GET", "/api/crossdock/v1/limits")).status == 401
