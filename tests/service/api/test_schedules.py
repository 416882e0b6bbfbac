from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.accounts.models import User
from shared.accounts.namespaces import create_group
from shared.gitlab.visibility import Visibility
from tests.support.api import EXTERNAL_URL, Answer, Api
from tests.support.described import new_destination

HERE = "/api/crossdock/v1/schedules"


@pytest.fixture
async def order(api: Api, ann: User) -> dict[str, Any]:
    """What a new schedule of ann's needs."""
    number = await new_destination(api, ann.id, "vault")
    return {"name": "nightly", "destination_id": number, "cron": "0 2 * * *", "all": True}


async def made(api: Api, order: dict[str, Any], **fields: Any) -> Answer:
    answer = await api.call("POST", HERE, by="ann", json=order | fields)
    assert answer.status == 201, answer.body
    return answer


def refusal(answer: Answer) -> Any:
    return json.loads(answer.body)


async def test_a_schedule_is_shown_with_its_next_times(api: Api, order: dict[str, Any]) -> None:
    answer = await made(api, order, retention={"daily": 7, "monthly": 12}, time_zone="Europe/Zurich")
    assert answer.headers["Location"] == f"{EXTERNAL_URL}{HERE}/{answer.body['id']}"
    assert answer.body["retention"] == {"last": 0, "daily": 7, "weekly": 0, "monthly": 12, "yearly": 0}
    times = [datetime.fromisoformat(each) for each in answer.body["next_runs"]]
    assert len(times) == 5
    assert answer.body["next_run_at"] == answer.body["next_runs"][0]
    assert datetime.now(UTC) < times[0] < datetime.now(UTC) + timedelta(days=1, hours=1)
    shown = await api.call("GET", f"{HERE}/{answer.body['id']}", by="ann")
    listed = await api.call("GET", HERE, by="ann")
    assert (shown.body, listed.body) == (answer.body, [answer.body])


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"projects": ["ann/one", 7]}, (["ann/one", "7"], None, [], False)),
        ({"projects": "ann/one,7"}, (["ann/one", "7"], None, [], False)),
        ({"group": "forge", "patterns": ["*/web"]}, ([], "forge", ["*/web"], False)),
        ({"patterns": ["ann/*"]}, ([], None, ["ann/*"], True)),
    ],
)
async def test_a_schedule_says_which_projects(
    api: Api, order: dict[str, Any], given: dict[str, Any], shown: tuple[object, ...]
) -> None:
    del order["all"]
    await create_group(api.pool, "forge", name="Forge", visibility=Visibility.PUBLIC)
    body = (await made(api, order, **given)).body
    assert (body["projects"], body["group"], body["patterns"], body["all"]) == shown


async def test_a_schedule_says_which_relations(api: Api, order: dict[str, Any]) -> None:
    body = (await made(api, order, relations=["issues", "design"])).body
    assert (body["relations"], body["excluded_relations"]) == (["design_repository", "issues"], None)
    for given, relations, excluded in (
        ({"cron": "0 3 * * *"}, ["design_repository", "issues"], None),
        ({"excluded_relations": ["uploads"]}, None, ["uploads"]),
        ({"excluded_relations": []}, None, None),
    ):
        changed = (await api.call("PUT", f"{HERE}/{body['id']}", by="ann", json=given)).body
        assert (changed["relations"], changed["excluded_relations"]) == (relations, excluded)


async def test_a_schedule_is_there_for_its_user_and_administrators_alone(
    api: Api, order: dict[str, Any]
) -> None:
    await api.user("bob")
    await api.user("root", is_admin=True)
    here = f"{HERE}/{(await made(api, order)).body['id']}"
    for method, path in (
        ("GET", here), ("PUT", here), ("DELETE", here), ("POST", f"{here}/pause"), ("POST", f"{here}/resume"),
    ):  # fmt: skip
        assert (await api.call(method, path, by="bob", json={})).status == 404
        assert (await api.call(method, path, json={})).status == 401
    assert (await api.call("GET", HERE, by="bob")).body == []
    assert [each["name"] for each in (await api.call("GET", HERE, by="root")).body] == ["nightly"]
    assert (await api.call("GET", HERE)).status == (await api.call("POST", HERE, json=order)).status == 401


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"cron": "61 * * * *"}, "cron is invalid: Bad minute"),
        ({"cron": " "}, "cron is blank"),
        ({"time_zone": "Mars"}, "time_zone is no time zone"),
        ({"destination_id": 999}, "destination_id is that of no destination of the user"),
        ({"destination_id": "x"}, "destination_id is invalid"),
        ({"all": False}, "projects, group, patterns or all is missing"),
        ({"group": "g"}, "projects, group, all are mutually exclusive"),
        ({"group": "no-such", "all": None}, "group is the full path of no group that the user can see"),
        ({"projects": ["x"] * 1001, "all": None}, "projects has more than 1000 items"),
        ({"patterns": [""]}, "patterns must be texts of 1 to 1024 characters"),
        ({"patterns": ["x"] * 101}, "patterns has more than 100 items"),
        ({"relations": ["isues"]}, "relations does not have a valid value: isues"),
        ({"retention": {"hourly": 1}}, "retention[hourly] is none of last, daily"),
        ({"retention": {"daily": -1}}, "retention[daily] must be 0 to 10000"),
    ],
)
async def test_a_wrong_field_is_named(
    api: Api, order: dict[str, Any], fields: dict[str, Any], problem: str
) -> None:
    answer = await api.call("POST", HERE, by="ann", json=order | fields)
    assert answer.status == 400
    assert problem in refusal(answer)["detail"]


async def test_the_destination_of_another_user_is_not_taken(api: Api, order: dict[str, Any]) -> None:
    bob = await api.user("bob")
    other = {"destination_id": await new_destination(api, bob.id, "vault")}
    assert (await api.call("POST", HERE, by="ann", json=order | other)).status == 400
    here = f"{HERE}/{(await made(api, order)).body['id']}"
    assert (await api.call("PUT", here, by="ann", json=other)).status == 400


async def peer_of(api: Api, order: dict[str, Any]) -> dict[str, Any]:
    """What a new schedule needs that fetches from a GitLab into a group of ann's."""
    await api.pool.execute(
        "UPDATE destinations SET kind = 'gitlab', settings = $1", {"url": "https://x.test"}
    )
    await api.post("/groups", by="ann", json={"name": "vault", "path": "vault"})
    given = {**order, "source_id": order["destination_id"], "into": "/vault/"}
    del given["destination_id"]
    return given


async def test_a_schedule_may_fetch_from_a_peer_into_a_group(api: Api, order: dict[str, Any]) -> None:
    fetching = await peer_of(api, order)
    body = (await made(api, fetching)).body
    assert (body["source_id"], body["destination_id"], body["into"]) == (fetching["source_id"], None, "vault")
    here = f"{HERE}/{body['id']}"
    assert (await api.call("GET", here, by="ann")).body == body
    renamed = await api.call("PUT", here, by="ann", json={"name": "other"})
    assert (renamed.body["source_id"], renamed.body["into"]) == (fetching["source_id"], "vault")
    turned = await api.call("PUT", here, by="ann", json={"destination_id": fetching["source_id"]})
    assert (turned.status, "cannot be changed" in refusal(turned)["detail"]) == (400, True)


async def test_a_schedule_may_send_to_a_peer(api: Api, order: dict[str, Any]) -> None:
    await peer_of(api, order)
    body = (await made(api, order)).body
    assert (body["destination_id"], body["source_id"], body["into"]) == (order["destination_id"], None, None)
    turned = await api.call("PUT", f"{HERE}/{body['id']}", by="ann", json={"into": "vault"})
    assert (turned.status, "cannot be changed" in refusal(turned)["detail"]) == (400, True)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"into": None}, "into is missing"),
        ({"into": " "}, "into is blank"),
        ({"into": "ann"}, "into is the full path of no group that the user owns"),
        ({"into": "none/such"}, "into is the full path of no group that the user owns"),
        ({"destination_id": 1}, "source_id, destination_id are mutually exclusive"),
        ({"source_id": ""}, "source_id is invalid"),
        ({"retention": {"last": 3}}, "retention is for archives in buckets"),
    ],
)
async def test_a_wrong_field_of_a_schedule_that_fetches_is_named(
    api: Api, order: dict[str, Any], fields: dict[str, Any], problem: str
) -> None:
    answer = await api.call("POST", HERE, by="ann", json=await peer_of(api, order) | fields)
    assert answer.status == 400
    assert problem in refusal(answer)["detail"]


async def test_a_group_of_others_gets_no_projects(api: Api, order: dict[str, Any]) -> None:
    fetching = await peer_of(api, order)
    await api.user("bob")
    await api.post("/groups", by="bob", json={"name": "bobs", "path": "bobs", "visibility": "public"})
    answer = await api.call("POST", HERE, by="ann", json=fetching | {"into": "bobs"})
    assert (answer.status, "no group that the user owns" in refusal(answer)["detail"]) == (400, True)


async def test_a_bucket_is_no_source(api: Api, order: dict[str, Any]) -> None:
    await api.post("/groups", by="ann", json={"name": "vault", "path": "vault"})
    given = {**order, "source_id": order["destination_id"], "into": "vault"}
    del given["destination_id"]
    answer = await api.call("POST", HERE, by="ann", json=given)
    assert (answer.status, "source_id is that of a bucket" in refusal(answer)["detail"]) == (400, True)


async def test_into_is_for_a_source(api: Api, order: dict[str, Any]) -> None:
    answer = await api.call("POST", HERE, by="ann", json=order | {"into": "vault"})
    assert (answer.status, "into is for a source_id" in refusal(answer)["detail"]) == (400, True)


async def test_names_of_one_user_differ(api: Api, order: dict[str, Any]) -> None:
    await made(api, order)
    again = await api.call("POST", HERE, by="ann", json=order | {"name": "NIGHTLY"})
    assert (again.status, refusal(again)["code"]) == (409, "schedule_name_taken")


@pytest.mark.parametrize("api", [{"schedules_limit": 1}], indirect=True)
async def test_a_user_has_a_limited_number_of_schedules(api: Api, order: dict[str, Any]) -> None:
    await made(api, order)
    answer = await api.call("POST", HERE, by="ann", json=order | {"name": "other"})
    assert (answer.status, refusal(answer)["code"]) == (409, "too_many_schedules")


async def test_what_is_given_is_changed(api: Api, order: dict[str, Any]) -> None:
    before = (await made(api, order)).body
    here = f"{HERE}/{before['id']}"
    named = (await api.call("PUT", here, by="ann", json={"name": "other", "retention": {"last": 3}})).body
    kept = ("cron", "all", "next_run_at", "destination_id")
    assert [named[name] for name in kept] == [before[name] for name in kept]
    assert (named["name"], named["retention"]["last"]) == ("other", 3)
    moved = (await api.call("PUT", here, by="ann", json={"cron": "@yearly"})).body
    assert moved["next_run_at"].startswith(f"{datetime.now(UTC).year + 1}-01-01T00:00")


async def test_a_schedule_that_is_overdue_stays_so_where_its_times_stay(
    api: Api, order: dict[str, Any]
) -> None:
    number = (await made(api, order)).body["id"]
    await api.pool.execute("UPDATE schedules SET next_run_at = '2026-01-01T02:00Z'")
    changed = await api.call("PUT", f"{HERE}/{number}", by="ann", json={"name": "other"})
    assert changed.body["next_run_at"].startswith("2026-01-01T02:00")


async def test_a_schedule_that_is_paused_is_due_no_more_until_it_is_resumed(
    api: Api, order: dict[str, Any]
) -> None:
    here = f"{HERE}/{(await made(api, order)).body['id']}"
    await api.pool.execute("UPDATE schedules SET next_run_at = '2026-01-01T02:00Z'")
    paused = (await api.call("POST", f"{here}/pause", by="ann")).body
    assert (paused["paused"], paused["next_run_at"], paused["next_runs"]) == (True, None, [])
    resumed = (await api.call("POST", f"{here}/resume", by="ann")).body
    assert not resumed["paused"]
    assert datetime.fromisoformat(resumed["next_run_at"]) > datetime.now(UTC)
    assert (await api.call("PUT", here, by="ann", json={"paused": True})).body["paused"]


async def test_a_destination_that_a_schedule_has_stays(api: Api, order: dict[str, Any]) -> None:
    here = f"{HERE}/{(await made(api, order)).body['id']}"
    destination = f"/api/crossdock/v1/destinations/{order['destination_id']}"
    refused = await api.call("DELETE", destination, by="ann")
    assert (refused.status, refusal(refused)["code"]) == (409, "destination_in_use")
    assert refusal(refused)["detail"] == f"the schedule {order['name']} has this destination"
    assert (await api.call("DELETE", here, by="ann")).status == 204
    assert (await api.call("DELETE", destination, by="ann")).status == 204


async def test_what_a_user_has_goes_with_the_user(api: Api, ann: User, order: dict[str, Any]) -> None:
    await made(api, order)
    await api.pool.execute("DELETE FROM users WHERE id = $1", ann.id)
    for table in ("schedules", "destinations"):
        assert await api.pool.fetchval(f"SELECT count(*) FROM {table}") == 0  # noqa: S608  # fixed texts
