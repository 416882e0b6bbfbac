"""Runs as users see them: by HTTP, by events and by webhooks."""

from __future__ import annotations

from typing import Any

from shared.events.models import Event
from shared.events.store import list_unpublished
from shared.schedules.models import RunState
from shared.usecases.events import _select_visible
from shared.webhooks import store as webhooks
from shared.webhooks.delivery_queue import claim, find_due
from shared.webhooks.sealed_webhooks import WebhookSealer
from tests.support.api import EXTERNAL_URL
from tests.support.imported import imported
from tests.support.projects import project
from tests.support.sealing import sealer
from tests.support.vault import HERE, Vault


async def test_a_run_is_shown_with_its_projects(vault: Vault) -> None:
    for path in ("one", "two"):
        await imported(vault.api, vault.ann, project(), path=path)
    schedule = await vault.new_schedule(projects=["ann/one", "ann/two", "no/such"])
    started = await vault.call("POST", f"/schedules/{schedule}/run")
    number = started.body["id"]
    assert started.headers["Location"] == f"{EXTERNAL_URL}{HERE}/runs/{number}"
    assert (started.body["state"], started.body["cause"]) == ("queued", "requested")
    await vault.finish(number)

    shown = (await vault.call("GET", f"/runs/{number}")).body
    assert (shown["state"], shown["error_code"]) == ("partial", "projects_failed")
    assert shown["projects"] == {
        "waiting": 0, "queued": 0, "done": 2, "skipped": 0, "failed": 1, "canceled": 0,
    }  # fmt: skip
    assert (await vault.call("GET", f"/schedules/{schedule}/runs")).body == [shown]

    page = await vault.call("GET", f"/runs/{number}/projects?per_page=2")
    assert [each["path_with_namespace"] for each in page.body] == ["ann/one", "ann/two"]
    link = page.headers["Link"].partition(">")[0].removeprefix(f"<{EXTERNAL_URL}{HERE}")
    assert [each["code"] for each in (await vault.call("GET", link)).body] == ["not_found"]
    failed = await vault.call("GET", f"/runs/{number}/projects?state=failed")
    assert [each["path_with_namespace"] for each in failed.body] == ["no/such"]
    done = page.body[0]
    record = next(each for each in await vault.catalogue() if each.project == "ann/one")
    assert (done["state"], done["file"], done["size"], done["sha256"], done["manifest_sha256"]) == (
        "done", record.file, record.bytes, record.sha256, record.manifest,
    )  # fmt: skip


async def test_runs_are_listed_the_newest_first(vault: Vault) -> None:
    schedule = await vault.new_schedule(projects=["no/such"])
    numbers = [(await vault.back_up(schedule)).id for _ in range(3)]
    page = await vault.call("GET", f"/schedules/{schedule}/runs?per_page=2")
    assert [each["id"] for each in page.body] == [numbers[2], numbers[1]]
    link = page.headers["Link"].partition(">")[0].removeprefix(f"<{EXTERNAL_URL}{HERE}")
    assert [each["id"] for each in (await vault.call("GET", link)).body] == [numbers[0]]


async def test_a_run_is_there_for_the_user_of_its_schedule_and_administrators_alone(vault: Vault) -> None:
    await vault.api.user("bob")
    await vault.api.user("root", is_admin=True)
    schedule = await vault.new_schedule()
    number = await vault.start(schedule)
    for method, path in (
        ("GET", f"/runs/{number}"), ("GET", f"/runs/{number}/projects"), ("POST", f"/runs/{number}/cancel"),
        ("GET", f"/schedules/{schedule}/runs"), ("POST", f"/schedules/{schedule}/run"),
    ):  # fmt: skip
        assert (await vault.call(method, path, by="bob")).status == 404
        assert (await vault.api.call(method, f"{HERE}{path}")).status == 401
    assert (await vault.call("GET", f"/runs/{number}", by="root")).status == 200


async def test_a_run_that_was_canceled_before_it_began_has_no_projects(vault: Vault) -> None:
    await imported(vault.api, vault.ann, project(), path="one")
    number = await vault.start(await vault.new_schedule())
    await vault.call("POST", f"/runs/{number}/cancel")
    run = await vault.finish(number)
    assert (run.state, run.counts) == (RunState.CANCELED, {})
    again = await vault.call("POST", f"/runs/{number}/cancel")
    assert (again.status, again.body["state"]) == (200, "canceled")


async def test_nothing_is_backed_up_for_who_is_blocked(vault: Vault) -> None:
    await imported(vault.api, vault.ann, project(), path="one")
    schedule = await vault.new_schedule()
    begun = await vault.start(schedule)
    await vault.keeper.make_round()
    queued = await vault.start(await vault.new_schedule("later"))
    await vault.api.pool.execute("UPDATE users SET blocked = true")
    run = await vault.finish(begun)
    assert (run.state, run.error_code) == (RunState.FAILED, "projects_failed")
    (failed,) = await vault.projects(run)
    assert failed.code == "owner_blocked"
    run = await vault.finish(queued)
    assert (run.state, run.error_code) == (RunState.FAILED, "owner_blocked")
    assert len(await vault.catalogue()) == 0


async def test_a_backup_is_run_again_by_its_schedule_alone(vault: Vault) -> None:
    await imported(vault.api, vault.ann, project(), path="one")
    number = await vault.start(await vault.new_schedule())
    for _ in range(2):
        await vault.keeper.make_round()
    await vault.call("POST", f"/runs/{number}/cancel")
    job = await vault.api.pool.fetchval("SELECT id FROM jobs WHERE kind = 'backup'")
    refused = await vault.call("POST", f"/jobs/{job}/retry")
    assert refused.status == 409
    assert b"run of a schedule" in refused.body


async def test_a_deleted_schedule_takes_its_runs_along_and_leaves_archives(vault: Vault) -> None:
    await imported(vault.api, vault.ann, project(), path="one")
    schedule = await vault.new_schedule()
    await vault.back_up(schedule)
    await vault.call("DELETE", f"/schedules/{schedule}")
    assert await vault.api.pool.fetchval("SELECT count(*) FROM schedule_runs") == 0
    assert len(await vault.catalogue()) == 1


async def events_of_runs(vault: Vault) -> list[Event]:
    found = await list_unpublished(vault.api.pool, limit=1000)
    return [each for each in found if each.name.startswith("run.")]


async def test_the_end_of_a_run_is_an_event(vault: Vault) -> None:
    await imported(vault.api, vault.ann, project(), path="one")
    schedule = await vault.new_schedule(projects=["ann/one", "no/such"])
    run = await vault.back_up(schedule)
    lost = await vault.back_up(await vault.new_schedule("lost", projects=["no/such"]))
    events = await events_of_runs(vault)
    assert [each.name for each in events] == ["run.started", "run.finished", "run.started", "run.failed"]
    told: Any = events[1].data
    assert told["run"] | {"due_at": "", "started_at": "", "finished_at": ""} == {
        "id": run.id, "state": "partial", "cause": "requested", "missed": 0, "due_at": "", "started_at": "",
        "finished_at": "", "projects": {"done": 1, "failed": 1},
    }  # fmt: skip
    assert told["schedule"] == {"id": schedule, "name": "nightly", "destination_id": vault.destination}
    assert (told["user_id"], told["error_code"]) == (vault.ann.id, "projects_failed")
    assert events[3].data["error"] == lost.error
    assert events[3].subject == "lost"


async def test_events_of_a_run_are_for_the_user_of_its_schedule(vault: Vault) -> None:
    await vault.back_up(await vault.new_schedule(projects=["no/such"]))
    bob, root = await vault.api.user("bob"), await vault.api.user("root", is_admin=True)
    events, pool = await events_of_runs(vault), vault.api.pool
    assert await _select_visible(pool, vault.ann, events) == events
    assert await _select_visible(pool, root, events) == events
    assert await _select_visible(pool, bob, events) == []


async def test_a_webhook_of_all_projects_is_told_of_runs(vault: Vault) -> None:
    sealing = WebhookSealer(sealer())
    made = await webhooks.create(
        vault.api.pool, project_id=None, url=sealing.seal_url("http://127.0.0.1:9", project_id=None),
        events=["run.failed"], description="", limit=9,
        sealed_secret=sealing.seal_secret(bytes(32), project_id=None),
    )  # fmt: skip
    await vault.back_up(await vault.new_schedule(projects=["no/such"]))
    assert await claim(vault.api.pool) is not None
    delivery = await find_due(vault.api.pool, made.id)
    assert delivery is not None
    assert delivery.event.name == "run.failed"


async def test_webhooks_may_ask_for_events_of_runs(vault: Vault) -> None:
    await vault.api.user("root", is_admin=True)
    asked = {"url": "http://127.0.0.1:9", "events": ["run.finished", "run.*"]}
    assert (await vault.call("POST", "/webhooks", by="root", **asked)).status == 201
