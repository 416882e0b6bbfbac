from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from services.api.crossdock.webhook_fields import DEFAULT_EVENTS
from shared.accounts.models import AccessLevel, User
from shared.jobs import store as jobs
from shared.projects.models import Project
from shared.webhooks import signing, store
from shared.webhooks.sealed_webhooks import WebhookSealer
from tests.support.api import EXTERNAL_URL, Answer, Api, running_api
from tests.support.sealing import sealer

ALL = "/api/crossdock/v1/webhooks"
URL = "http://127.0.0.1:9/hook"
LOCAL = "allow_local_requests_from_web_hooks_and_services"


@pytest.fixture
async def api(database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    more = getattr(request, "param", {})
    async with running_api(
        database_url, tmp_path / "objects", allow_local_requests_from_web_hooks_and_services=True, **more
    ) as running:
        yield running


@pytest.fixture
async def hooks(project: Project) -> str:
    """The address of the webhooks of ann's project."""
    return f"/api/crossdock/v1/projects/{project.id}/webhooks"


async def made(api: Api, path: str, *, by: str = "ann", **fields: object) -> Answer:
    answer = await api.call("POST", path, by=by, json={"url": URL, **fields})
    assert answer.status == 201, answer.body
    return answer


async def test_a_new_webhook_has_a_secret_that_is_shown_once(api: Api, hooks: str) -> None:
    answer = await made(api, hooks)
    secret = answer.body.pop("secret")
    assert signing.read_secret(secret) is not None
    assert answer.headers["Location"] == f"{EXTERNAL_URL}{hooks}/{answer.body['id']}"
    assert answer.body["events"] == list(DEFAULT_EVENTS)
    shown = await api.call("GET", f"{hooks}/{answer.body['id']}", by="ann")
    listed = await api.call("GET", hooks, by="ann")
    assert (shown.body, listed.body) == (answer.body, [answer.body])


async def test_its_own_secret_may_be_given(api: Api, hooks: str) -> None:
    secret = signing.write_secret(bytes(range(40)))
    assert (await made(api, hooks, secret=secret)).body["secret"] == secret


async def test_nothing_of_the_url_is_shown_but_its_host(api: Api, hooks: str) -> None:
    answer = await made(api, hooks, url="http://ann:hunter2@127.0.0.1/hunter2?token=hunter2")
    assert answer.body["url"] == "http://*****@127.0.0.1/*****"
    path = f"{hooks}/{answer.body['id']}"
    changed = await api.call("PUT", path, by="ann", json={"url": "http://127.0.0.1:81/hunter2"})
    assert changed.body["url"] == "http://127.0.0.1:81/*****"
    assert "hunter2" not in await api.pool.fetchval("SELECT w::text FROM webhooks w")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"url": None}, "url is missing"),
        ({"url": ""}, "url must have 1 to 2048 characters"),
        ({"url": "http://127.0.0.1/" + "a" * 2048}, "url must have 1 to 2048 characters"),
        ({"url": "ftp://example.com/"}, "is blocked: Only allowed schemes are http, https"),
        ({"url": "http://[::1/"}, "is blocked: URI is invalid"),
        ({"url": "http://no-such-host.invalid/"}, "is blocked: Host cannot be resolved or invalid"),
        ({"events": ["import.eaten", "*.failed"]}, "events has unknown names: 'import.eaten'"),
        ({"events": ["*.*"]}, "events has unknown names: '*.*'"),
        ({"events": ["nonsense"]}, "known are *, and KIND.MOVE with KIND of *, run, import, export, "),
        ({"events": ["nonsense"]}, " and MOVE of *, progress, queued, started, retried, finished, "),
        ({"events": []}, "events must have 1 to 50 names"),
        ({"events": ["*"] * 51}, "events must have 1 to 50 names"),
        ({"events": [{"a": 1}]}, "events has unknown names: ''"),
        ({"secret": "whsec_short"}, "secret must be 24 to 64 bytes in Base64, after whsec_"),
        ({"secret": 7}, "secret must be 24 to 64 bytes in Base64, after whsec_"),
        ({"description": "a" * 2001}, "description is too long (maximum is 2000 characters)"),
        ({"enabled": "perhaps"}, "enabled is invalid"),
    ],
)
async def test_what_is_wrong_is_named(api: Api, hooks: str, fields: dict[str, object], problem: str) -> None:
    for method, path in (("POST", hooks), ("PUT", f"{hooks}/{(await made(api, hooks)).body['id']}")):
        if method == "PUT" and fields == {"url": None}:
            continue  # nothing is changed then
        answer = await api.call(method, path, by="ann", json={"url": URL, **fields})
        assert answer.status == 400, answer.body
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert problem in answer.body.decode()
    assert len((await api.call("GET", hooks, by="ann")).body) == 1


async def test_a_local_address_is_refused_where_that_is_not_allowed(api: Api, hooks: str) -> None:
    await api.user("root", is_admin=True)
    await api.call("PUT", "/api/v4/application/settings", by="root", json={LOCAL: False})
    answer = await api.call("POST", hooks, by="ann", json={"url": URL})
    assert answer.status == 400
    assert b"is blocked: Requests to localhost are not allowed" in answer.body


async def test_events_may_come_with_commas_as_in_a_form(api: Api, hooks: str) -> None:
    answer = await api.call("POST", hooks, by="ann", data={"url": URL, "events": "import.*, *.failed"})
    assert answer.body["events"] == ["*.failed", "import.*"]


async def test_only_what_is_given_changes(api: Api, hooks: str) -> None:
    before = (await made(api, hooks, description="CI")).body
    answer = await api.call("PUT", f"{hooks}/{before['id']}", by="ann", json={"events": ["*"]})
    del before["secret"]
    assert answer.body == before | {"events": ["*"]}


async def test_a_user_disables_and_enables(api: Api, hooks: str) -> None:
    path = f"{hooks}/{(await made(api, hooks)).body['id']}"
    off = (await api.call("PUT", path, by="ann", json={"enabled": False})).body
    assert (off["enabled"], off["disabled_reason"]) == (False, "it was disabled by a user")
    await api.pool.execute("UPDATE webhooks SET failing_since = now(), resume_at = now() + interval '1 hour'")
    on = (await api.call("PUT", path, by="ann", json={"enabled": True})).body
    assert (on["enabled"], on["disabled_reason"], on["failing_since"]) == (True, None, None)
    assert await api.pool.fetchval("SELECT resume_at <= now() FROM webhooks")


@pytest.mark.parametrize("fields", [{"secret": signing.write_secret(bytes(range(32)))}, {}])
async def test_a_rotation_gives_another_secret_and_keeps_the_old_one_for_a_day(
    api: Api, hooks: str, project: Project, fields: dict[str, str]
) -> None:
    webhook = (await made(api, hooks)).body
    answer = await api.call("POST", f"{hooks}/{webhook['id']}/rotate", by="ann", json=fields)
    assert answer.status == 200
    assert answer.body["secret"] != webhook["secret"]
    assert answer.body["secret"] == fields.get("secret", answer.body["secret"])
    found = await store.find(api.pool, project.id, webhook["id"])
    assert found is not None
    secrets = WebhookSealer(sealer()).open(found).secrets
    assert list(map(signing.write_secret, secrets)) == [answer.body["secret"], webhook["secret"]]
    left = await api.pool.fetchval("SELECT old_secret_until - now() FROM webhooks")
    assert timedelta(hours=23) < left <= timedelta(hours=24)


@pytest.mark.parametrize("api", [{"webhooks_limit": 3}], indirect=True)
async def test_a_project_has_a_limited_number_of_webhooks_and_so_have_all_together(
    api: Api, hooks: str
) -> None:
    await api.user("root", is_admin=True)
    for path, by in ((hooks, "ann"), (ALL, "root")):
        answers = await asyncio.gather(
            *(api.call("POST", path, by=by, json={"url": URL}) for _ in range(3 if path == ALL else 8))
        )
        assert [each.status for each in answers].count(201) == 3
        refused = await api.call("POST", path, by=by, json={"url": URL})
        assert refused.status == 409
        problem = json.loads(refused.body)
        assert problem["code"] == "too_many_webhooks"
        assert problem["detail"] == "over the limit of 3 webhooks of one project, or of all projects together"


async def test_a_deleted_webhook_is_gone_with_its_deliveries(
    api: Api, hooks: str, project: Project, ann: User
) -> None:
    path = f"{hooks}/{(await made(api, hooks)).body['id']}"
    await api.job(project, ann)
    assert (await api.call("DELETE", path, by="ann")).status == 204
    assert (await api.call("GET", path, by="ann")).status == 404
    assert await api.pool.fetchval("SELECT count(*) FROM webhook_deliveries") == 0


async def test_deliveries_are_listed_page_by_page_with_what_is_sent(
    api: Api, hooks: str, project: Project, ann: User
) -> None:
    path = f"{hooks}/{(await made(api, hooks, events=['*'])).body['id']}/deliveries"
    job = await api.job(project, ann)
    await api.finished(job)
    first = await api.call("GET", f"{path}?per_page=2", by="ann")
    assert [each["event"]["type"].split(".", 2)[2] for each in first.body] == [
        "export.finished.v1",
        "export.started.v1",
    ]
    link = first.headers["Link"].partition(">")[0].removeprefix(f"<{EXTERNAL_URL}")
    (last,) = (await api.call("GET", link, by="ann")).body
    assert last["event"]["data"]["job"]["id"] == job.id
    assert (last["state"], last["attempts"], last["finished_at"]) == ("pending", [], None)
    assert (await api.call("GET", f"{path}/{last['id']}", by="ann")).body == last
    for state, count in (("pending", 3), ("failed", 0), ("delivered", 0)):
        assert len((await api.call("GET", f"{path}?state={state}", by="ann")).body) == count
    assert (await api.call("GET", f"{path}?state=lost", by="ann")).status == 400


async def test_an_ended_delivery_is_sent_again_when_asked(
    api: Api, hooks: str, project: Project, ann: User
) -> None:
    path = f"{hooks}/{(await made(api, hooks)).body['id']}/deliveries"
    await api.job(project, ann)
    await api.pool.execute("UPDATE webhook_deliveries SET state = 'failed', tries = 10, finished_at = now()")
    (delivery,) = (await api.call("GET", path, by="ann")).body
    assert delivery["due_at"] is None
    answer = await api.call("POST", f"{path}/{delivery['id']}/retry", by="ann")
    assert (answer.status, answer.body["state"], answer.body["finished_at"]) == (202, "pending", None)
    assert await api.pool.fetchval("SELECT tries FROM webhook_deliveries") == 0


async def test_a_test_is_a_delivery_that_can_be_looked_at(api: Api, hooks: str) -> None:
    path = f"{hooks}/{(await made(api, hooks)).body['id']}"
    answer = await api.call("POST", f"{path}/test", by="ann", headers={"X-Request-Id": "asked"})
    assert (answer.status, answer.body["state"], answer.body["attempts"]) == (202, "pending", [])
    assert answer.body["due_at"] == answer.body["created_at"]
    assert answer.body["event"]["type"] == "com.crossdock.webhook.test.v1"
    assert answer.body["event"]["subject"] == "ann/project"
    assert answer.body["event"]["correlationid"] == "asked"
    assert answer.body["event"]["data"] == {"test": True, "webhook": {"id": int(path.rpartition("/")[2])}}
    address = answer.headers["Location"].removeprefix(EXTERNAL_URL)
    assert (await api.call("GET", address, by="ann")).body == answer.body


async def test_a_webhook_of_all_projects_is_tested_without_a_project(api: Api) -> None:
    await api.user("root", is_admin=True)
    path = f"{ALL}/{(await made(api, ALL, by='root')).body['id']}/test"
    answer = await api.call("POST", path, by="root")
    assert (answer.status, "subject" in answer.body["event"]) == (202, False)


async def test_a_disabled_webhook_is_not_tested(api: Api, hooks: str) -> None:
    path = f"{hooks}/{(await made(api, hooks)).body['id']}"
    await api.call("PUT", path, by="ann", json={"enabled": False})
    answer = await api.call("POST", f"{path}/test", by="ann")
    assert answer.status == 409
    problem = json.loads(answer.body)
    assert (problem["code"], problem["detail"]) == (
        "webhook_disabled",
        "the webhook is disabled: it was disabled by a user",
    )
    assert await api.pool.fetchval("SELECT count(*) FROM webhook_deliveries") == 0


async def test_a_user_tests_the_webhooks_of_a_project_five_times_a_minute(
    api: Api, hooks: str, project: Project
) -> None:
    await api.member("bob", project, AccessLevel.MAINTAINER)
    paths = [f"{hooks}/{(await made(api, hooks)).body['id']}/test" for _ in range(2)]
    answers = [await api.call("POST", paths[each % 2], by="ann") for each in range(6)]
    assert [each.status for each in answers] == [202] * 5 + [429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
    assert (await api.call("POST", paths[0], by="bob")).status == 202


@pytest.mark.parametrize("level", [AccessLevel.NONE, AccessLevel.DEVELOPER, AccessLevel.MAINTAINER])
async def test_webhooks_of_a_project_are_for_its_maintainers(
    api: Api, hooks: str, project: Project, level: AccessLevel
) -> None:
    path = f"{hooks}/{(await made(api, hooks)).body['id']}"
    await (api.member("bob", project, level) if level else api.user("bob"))
    expected = {AccessLevel.NONE: 404, AccessLevel.DEVELOPER: 403}.get(level, 200)
    reading = [("GET", each) for each in (hooks, path, f"{path}/deliveries")]
    for method, address in (*reading, ("PUT", path), ("POST", f"{path}/rotate"), ("POST", f"{path}/test")):
        answer = await api.call(method, address, by="bob")
        assert answer.status == (202 if expected == 200 and address.endswith("/test") else expected), address
        assert (await api.call(method, address)).status == 401


async def test_webhooks_of_all_projects_are_for_administrators(api: Api, hooks: str) -> None:
    await api.user("root", is_admin=True)
    webhook = (await made(api, ALL, by="root")).body
    assert webhook["project_id"] is None
    for path in (ALL, f"{ALL}/{webhook['id']}"):
        assert (await api.call("GET", path, by="ann")).status == 403
        assert (await api.call("GET", path)).status == 401
        assert (await api.call("GET", path, by="root")).status == 200
    assert (await api.call("GET", f"{hooks}/{webhook['id']}", by="root")).status == 404
    assert (await api.call("GET", hooks, by="root")).body == []


@pytest.mark.parametrize("number", ["0", "-1", "9" * 30, "x"])
async def test_an_unknown_webhook_or_delivery_is_not_found(api: Api, hooks: str, number: str) -> None:
    webhook = (await made(api, hooks)).body["id"]
    for path in (f"{hooks}/{number}", f"{hooks}/{webhook}/deliveries/{number}"):
        assert (await api.call("GET", path, by="ann")).status == 404


async def test_an_answer_with_a_secret_is_not_kept_for_its_idempotency_key(api: Api, hooks: str) -> None:
    key = {"Idempotency-Key": "once"}
    first = await api.call("POST", hooks, by="ann", json={"url": URL}, headers=key)
    again = await api.call("POST", hooks, by="ann", json={"url": URL}, headers=key)
    assert (first.status, again.status) == (201, 409)
    secret = first.body["secret"].encode()
    assert not await api.pool.fetchval(
        "SELECT count(*) FROM idempotency_keys WHERE position($1 in body) > 0", secret
    )
    assert len((await api.call("GET", hooks, by="ann")).body) == 1


async def test_the_last_event_of_a_deleted_project_goes_to_who_is_told_of_all(
    api: Api, hooks: str, project: Project, ann: User
) -> None:
    await api.user("root", is_admin=True)
    webhook = (await made(api, ALL, by="root")).body
    await made(api, hooks)
    job = await api.job(project, ann)
    await jobs.find(api.pool, job.id)
    await api.pool.execute("DELETE FROM projects WHERE id = $1", project.id)
    names = await api.pool.fetch(
        "SELECT webhook_id, event->>'name' AS name FROM webhook_deliveries ORDER BY id"
    )
    assert [tuple(row) for row in names] == [
        (webhook["id"], "export.queued"),
        (webhook["id"], "export.canceled"),
    ]
