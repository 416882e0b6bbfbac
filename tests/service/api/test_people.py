from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import aiohttp
import pytest

from services.api.http.form_data import LARGEST_FIELD
from services.api.http.places import PlaceNumbers
from shared.accounts.memberships import add_member, add_project_member
from shared.accounts.models import AccessLevel, User
from shared.accounts.namespaces import create_group
from shared.admission import Holder, PlaceRules
from shared.jobs import store as jobs
from shared.people import appearances
from shared.people.people_map import PeopleMap, Row
from shared.people.reading import COLUMNS
from shared.projects import people_maps
from shared.projects.models import Project
from shared.projects.people_maps import MapOwner
from tests.support.api import Answer, Api
from tests.support.imported import imported
from tests.support.projects import Dock, ndjson
from tests.support.projects import project as packed_project

MEMBER = {
    "user_id": 7,
    "access_level": 30,
    "user": {"id": 7, "username": "jane", "public_email": "j@example.com"},
}
NOTE = {"note": "n", "author_id": 8, "author": {"name": "=Jo"}}
ISSUE = {"title": "t", "iid": 1, "author_id": 7, "notes": [NOTE, NOTE | {"author_id": 9}]}
INVALID = "the map of people is not valid"
HEADER = ",".join(COLUMNS.values())
JANE = {
    "source_user_identifier": "7",
    "gitlab_username": "jane.doe",
    "gitlab_public_email": "jane@example.org",
}


def lines(*records: object) -> bytes:
    return ndjson(*(json.dumps(each).encode() for each in records))


PACKED = packed_project(issues=lines(ISSUE, ISSUE | {"iid": 2}), project_members=lines(MEMBER))


@pytest.fixture
async def made(api: Api, ann: User) -> Project:
    return await imported(api, ann, PACKED)


async def ask(
    api: Api, method: str, made: Project, what: str, *, by: str | None = "ann", **more: Any
) -> Answer:
    return await api.call(method, f"/api/crossdock/v1/projects/{made.id}/{what}", by=by, **more)


async def put(api: Api, made: Project, people: object, *, by: str = "ann", **more: object) -> Answer:
    return await ask(api, "PUT", made, "people", by=by, json={"people": people, **more})


def rows_of(answer: Answer) -> Sequence[Sequence[str]]:
    return list(csv.reader(io.StringIO(answer.body.decode())))


async def test_who_appears_is_told_with_counts_by_pages(api: Api, made: Project) -> None:
    first = await ask(api, "GET", made, "users?per_page=2")
    assert (first.status, first.headers["X-Total"]) == (200, "3")
    assert first.body == [
        {"id": 7, "username": "jane", "name": None, "public_email": "j@example.com", "mapped_to": None,
         "records": {"issues": 2, "project_members": 1}},
        {"id": 8, "username": None, "name": "=Jo", "public_email": None, "mapped_to": None,
         "records": {"notes": 2}},
    ]  # fmt: skip
    following = first.headers["Link"].partition("/v1/")[2].partition(">")[0]
    rest = await api.call("GET", f"/api/crossdock/v1/{following}", by="ann")
    assert [each["id"] for each in rest.body] == [9]
    assert "Link" not in rest.headers


async def test_records_are_looked_through_once(api: Api, made: Project) -> None:
    await ask(api, "GET", made, "users")
    reads = len(api.store.reads)
    assert (await ask(api, "GET", made, "users")).headers["X-Total"] == "3"
    assert len(api.store.reads) == reads > 0


async def test_a_project_without_content_names_nobody(api: Api, project: Project) -> None:
    answer = await ask(api, "GET", project, "users")
    assert (answer.status, answer.body, answer.headers["X-Total"]) == (200, [], "0")
    dry = await put(api, project, [JANE], dry_run=True)
    assert dry.body == {
        "rows": 1, "mapped": 0, "without_email": 0, "unmapped": 0, "unused_rows": 1, "users": []
    }  # fmt: skip


async def test_the_csv_of_who_appears_is_a_map_to_be_filled_in(api: Api, made: Project) -> None:
    await put(api, made, [JANE])
    answer = await ask(api, "GET", made, "users?format=csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert rows_of(answer) == [
        list(COLUMNS.values()),
        ["", "", "7", "", "jane", "jane.doe", "jane@example.org"],
        ["", "", "8", "'=Jo", "", "", ""],
        ["", "", "9", "'=Jo", "", "", ""],
    ]
    again = await put(api, made, answer.body.decode())
    assert (again.status, again.body["rows"]) == (200, 1)


async def test_a_project_of_too_many_people_is_refused(api: Api, made: Project) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(appearances, "MOST", 1)
        answer = await ask(api, "GET", made, "users")
    assert (answer.status, json.loads(answer.body)["code"]) == (422, "too_many_people")
    assert (await ask(api, "GET", made, "users")).status == 200


@pytest.mark.parametrize("api", [{"longest_pass": timedelta(0)}], indirect=True)
async def test_a_pass_that_takes_too_long_ends(api: Api, made: Project) -> None:
    answer = await ask(api, "GET", made, "users")
    assert (answer.status, json.loads(answer.body)["code"]) == (503, "pass_too_long")


@pytest.mark.parametrize(
    "api",
    [{"places": PlaceNumbers(rules=PlaceRules(waiting=0, patience=timedelta(0)), passes=1)}],
    indirect=True,
)
async def test_looking_through_records_takes_the_place_of_a_pass(api: Api, made: Project) -> None:
    places = api.uses.people._limits.lists
    other = (await api.user("other")).id
    await places.take(Holder.of_user(other))
    assert (await ask(api, "GET", made, "users")).status == 503
    places.release(Holder.of_user(other))
    assert (await ask(api, "GET", made, "users")).status == 200
    await places.take(Holder.of_user(other))
    assert (await ask(api, "GET", made, "users")).status == 200


async def test_a_map_is_set_shown_and_deleted(api: Api, made: Project) -> None:
    answer = await put(api, made, f"{HEADER}\n,,7,,,jane.doe,Jane@Example.org\n")
    assert answer.status == 200
    assert answer.body["people"] == [dict.fromkeys(COLUMNS, "") | JANE]
    assert (answer.body["rows"], answer.body["namespace"], answer.body["author"]) == (1, None, "ann")
    assert (await ask(api, "GET", made, "people")).body == answer.body
    assert rows_of(await ask(api, "GET", made, "people?format=csv"))[1][2:] == [
        "7",
        "",
        "",
        "jane.doe",
        "jane@example.org",
    ]
    assert (await ask(api, "GET", made, "users")).body[0]["mapped_to"] == {
        "username": "jane.doe", "public_email": "jane@example.org"
    }  # fmt: skip
    assert (await ask(api, "DELETE", made, "people")).status == 204
    for method in ("DELETE", "GET"):
        gone = await ask(api, method, made, "people")
        assert (gone.status, json.loads(gone.body)["code"]) == (404, "people_map_missing")


async def test_a_form_with_a_file_of_a_spreadsheet_is_a_map_too(api: Api, made: Project) -> None:
    form = {"people": f"{HEADER}\r\n,,7,,,jane.doe,\r\n"}
    answer = await ask(api, "PUT", made, "people", data=form)
    assert (answer.status, answer.body["rows"]) == (200, 1)


async def test_a_dry_run_tells_whom_a_map_would_map_and_keeps_nothing(api: Api, made: Project) -> None:
    rows = [JANE | {"gitlab_public_email": ""}]
    rows += [{"source_user_identifier": number, "gitlab_username": f"u{number}"} for number in ("1", "8")]
    answer = await put(api, made, rows, dry_run=True)
    assert {name: count for name, count in answer.body.items() if name != "users"} == {
        "rows": 3, "mapped": 2, "without_email": 1, "unmapped": 1, "unused_rows": 1,
    }  # fmt: skip
    assert [each["mapped_to"] is None for each in answer.body["users"]] == [False, False, True]
    assert (await ask(api, "GET", made, "people")).status == 404


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "people is missing"),
        ({"people": 7}, f"{INVALID}: it is not a list of rows"),
        ({"people": f"{HEADER}\n,,7,,,@jane,"}, f"{INVALID}: row 2, GitLab username: it is not a user name"),
        ({"people": [], "dry_run": "maybe"}, "dry_run is invalid"),
    ],
)  # fmt: skip
async def test_a_map_with_problems_is_refused_and_the_one_before_stays(
    api: Api, made: Project, body: object, detail: str
) -> None:
    before = await put(api, made, [JANE])
    answer = await ask(api, "PUT", made, "people", json=body)
    assert (answer.status, json.loads(answer.body)["detail"]) == (400, detail)
    assert (await ask(api, "GET", made, "people")).body == before.body


async def test_the_nearest_map_counts(api: Api, ann: User) -> None:
    outer = await create_group(api.pool, "outer", name="outer")
    inner = await create_group(api.pool, "inner", name="inner", parent=outer)
    await add_member(api.pool, ann.id, namespace_id=outer.id, level=AccessLevel.OWNER)
    made = await imported(api, ann, PACKED)
    await api.pool.execute("UPDATE projects SET namespace_id = $1 WHERE id = $2", inner.id, made.id)
    for path, name in (("outer", "a"), ("outer%2Finner", "b")):
        answer = await api.call(
            "PUT", f"/api/crossdock/v1/namespaces/{path}/people", by="ann",
            json={"people": [JANE | {"gitlab_username": name}]},
        )  # fmt: skip
        assert (answer.status, answer.body["namespace"]) == (200, path.replace("%2F", "/"))
        assert (await ask(api, "GET", made, "people")).body["people"][0]["gitlab_username"] == name
    await put(api, made, [JANE])
    assert (await ask(api, "GET", made, "people")).body["namespace"] is None
    await ask(api, "DELETE", made, "people")
    assert (await ask(api, "GET", made, "people")).body["namespace"] == "outer/inner"


async def test_who_manages_a_project_does_not_see_all_people_of_its_namespace(api: Api, ann: User) -> None:
    group = await create_group(api.pool, "group", name="group")
    made = await imported(api, ann, PACKED)
    await api.pool.execute("UPDATE projects SET namespace_id = $1 WHERE id = $2", group.id, made.id)
    await add_project_member(api.pool, ann.id, project_id=made.id, level=AccessLevel.MAINTAINER)
    other = JANE | {
        "source_user_identifier": "99",
        "gitlab_username": "x",
        "gitlab_public_email": "x@example.org",
    }
    rows = PeopleMap(tuple(Row(**each) for each in (JANE, other)))
    await people_maps.set_map(api.pool, MapOwner(namespace_id=group.id), rows, author="root")
    shown = await ask(api, "GET", made, "people")
    assert (shown.body["rows"], shown.body["namespace"], shown.body["people"]) == (2, "group", None)
    assert (await ask(api, "GET", made, "people?format=csv")).status == 403
    listed = await ask(api, "GET", made, "users")
    assert "x@example.org" not in json.dumps(listed.body)
    assert listed.body[0]["mapped_to"]["public_email"] == "jane@example.org"
    await add_member(api.pool, ann.id, namespace_id=group.id, level=AccessLevel.OWNER)
    assert len((await ask(api, "GET", made, "people")).body["people"]) == 2


async def test_a_map_is_an_activity_of_each_project_that_it_counts_for(api: Api, ann: User) -> None:
    outer = await create_group(api.pool, "outer", name="outer")
    inner = await create_group(api.pool, "inner", name="inner", parent=outer)
    made, other = await imported(api, ann, PACKED), await api.project(ann, "other")
    await api.pool.execute("UPDATE projects SET namespace_id = $1 WHERE id = $2", inner.id, made.id)
    untouched = await active(api, other)
    owners = MapOwner(project_id=made.id), MapOwner(namespace_id=outer.id)
    for owner in owners:
        for change in (
            partial(people_maps.set_map, people=PeopleMap(), author="ann"), people_maps.delete_map
        ):  # fmt: skip
            before = await active(api, made)
            await change(api.pool, owner)
            assert await active(api, made) > before
    assert await active(api, other) == untouched


async def active(api: Api, made: Project) -> datetime:
    moment: datetime = await api.pool.fetchval("SELECT last_activity_at FROM projects WHERE id = $1", made.id)
    return moment


async def test_of_maps_that_are_set_at_the_same_time_one_stands(api: Api, made: Project) -> None:
    given = [[JANE | {"gitlab_username": f"j{number}"}] for number in range(8)]
    answers = await asyncio.gather(*(put(api, made, each) for each in given))
    assert [answer.status for answer in answers] == [200] * 8
    assert (await ask(api, "GET", made, "people")).body["people"][0]["gitlab_username"] in {
        each[0]["gitlab_username"] for each in given
    }
    assert await api.pool.fetchval("SELECT count(*) FROM people_maps") == 1


async def test_a_map_of_a_project_that_goes_meanwhile_is_refused(api: Api, made: Project, ann: User) -> None:
    owner = await api.uses.people.find_project(ann, str(made.id))
    await api.pool.execute("DELETE FROM projects WHERE id = $1", made.id)
    with pytest.raises(people_maps.MapOwnerGone):
        await api.uses.people.set_map(ann, owner, PeopleMap())


async def test_the_map_of_a_namespace_is_for_its_owners(api: Api, ann: User) -> None:
    group = await create_group(api.pool, "group", name="group")
    for level, name in ((AccessLevel.OWNER, "owner"), (AccessLevel.MAINTAINER, "maintainer")):
        user = await api.user(name)
        await add_member(api.pool, user.id, namespace_id=group.id, level=level)
    url = f"/api/crossdock/v1/namespaces/{group.id}/people"
    for method, body in (("GET", None), ("PUT", {"people": [JANE]}), ("DELETE", None)):
        statuses = [
            (await api.call(method, url, by=by, json=body)).status for by in (None, "ann", "maintainer")
        ]
        assert statuses == [401, 404, 403]
    assert (await api.call("PUT", url, by="owner", json={"people": [JANE], "dry_run": True})).body == {
        "rows": 1
    }
    assert (await api.call("GET", url, by="owner")).status == 404
    assert (await api.call("PUT", url, by="owner", json={"people": [JANE]})).status == 200


async def test_a_map_goes_with_its_project(api: Api, made: Project) -> None:
    await put(api, made, [JANE])
    await api.pool.execute("DELETE FROM projects WHERE id = $1", made.id)
    assert await api.pool.fetchval("SELECT count(*) FROM people_maps") == 0


def upload(path: str, **fields: Any) -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("path", path)
    form.add_field("file", PACKED, filename="a.tar.gz")
    for name, value in fields.items():
        form.add_field(name, *value[:1], **dict(value[1:]))
    return form


async def test_a_map_comes_with_an_import_as_a_field_or_a_file(api: Api, ann: User) -> None:
    many = "\n".join([HEADER, *(f",,{n},,,u{n}," for n in range(9000))])
    assert len(many) > LARGEST_FIELD
    for path, more in (("a", [many]), ("b", [many, ("filename", "people.csv")])):
        answer = await api.post("/projects/import", by="ann", data=upload(path, people=more))
        assert answer.status == 201
        url = f"/api/crossdock/v1/projects/{answer.body['id']}/people"
        assert (await api.call("GET", url, by="ann")).body["rows"] == 9000


async def test_a_map_with_problems_refuses_the_import_and_nothing_is_made(api: Api, ann: User) -> None:
    answer = await api.post(
        "/projects/import", by="ann", data=upload("a", people=[f"{HEADER}\n,,7,,,@jane,"])
    )
    assert (answer.status, answer.body) == (
        400, {"error": "people is invalid: row 2, GitLab username: it is not a user name"}
    )  # fmt: skip
    assert await api.pool.fetchval("SELECT count(*) FROM projects") == 0


async def test_an_import_asks_for_members_in_its_order(api: Api, ann: User) -> None:
    for path, more in (("a", {}), ("b", {"import_members": ["true"]})):
        answer = await api.post("/projects/import", by="ann", data=upload(path, **more))
        order = await api.pool.fetchval("SELECT payload FROM jobs WHERE project_id = $1", answer.body["id"])
        assert order["import_members"] is (path == "b")


async def test_an_import_that_replaces_a_project_keeps_its_map_unless_it_has_one(api: Api, ann: User) -> None:
    made = await imported(api, ann, PACKED)
    await put(api, made, [JANE])
    dock = Dock(api.pool, api.folder)
    for rows, name in ((None, "jane.doe"), ([JANE | {"gitlab_username": "new"}], "new")):
        more = {} if rows is None else {"people": [json.dumps(rows)]}
        answer = await api.post(
            "/projects/import", by="ann", data=upload("project", overwrite=["true"], **more)
        )
        job = await jobs.find(api.pool, int(answer.headers["X-Crossdock-Job"]))
        assert job is not None
        await dock.attempt(job)
        url = f"/api/crossdock/v1/projects/{answer.body['id']}/people"
        assert (await api.call("GET", url, by="ann")).body["people"][0]["gitlab_username"] == name
