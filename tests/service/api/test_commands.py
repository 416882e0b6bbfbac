from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web

from services.api.queue.consumer import INBOX
from shared.accounts.models import AccessLevel, User
from shared.accounts.users import find_user
from shared.broker.base import Message
from shared.database.pool import Database
from shared.errors import BrokerError
from shared.events import store as events
from shared.gitlab.relation_selection import RelationSelection
from shared.jobs import store as jobs
from shared.jobs.models import ExportOrder, ImportOrder, JobKind, RemoteSource, SourceForm, UploadTarget
from shared.outbound.remote_imports import RemoteImportPolicy
from shared.projects import store
from shared.projects.people_maps import find_map_for
from tests.support.api import ARCHIVE, Api
from tests.support.commands import KEY, SOURCE, Forge, anns_project, command, forge, jobs_of, put
from tests.support.git import make_repository
from tests.support.git_http import GitHttp
from tests.support.remote import Servers, names
from tests.support.sealing import opened
from tests.support.waiting import until

GZIP = {"Content-Type": "application/gzip", "Content-Length": "1000"}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    async with AsyncExitStack() as stack:
        yield Servers(stack)


async def test_an_object_of_our_store_is_imported(other: Forge) -> None:
    source = await put(other.api)
    answer = await other.ask("import.requested", {"path": "fresh", "source": source, "name": "New"})
    assert answer.accepted, answer.data
    project = await store.find_by_path(other.api.pool, "ann/fresh")
    assert project is not None
    job = await other.api.newest(project, JobKind.IMPORT)
    assert answer.data["job"] == {"id": job.id, "kind": "import"}
    assert answer.data["project"] == {"id": project.id, "path_with_namespace": "ann/fresh"}
    assert answer.data["command"] == {
        "id": "1", "source": SOURCE, "type": "com.crossdock.import.requested.v1"
    }  # fmt: skip
    key = await other.api.pool.fetchval("SELECT key FROM objects WHERE id = $1", job.object_id)
    assert (key, project.name) == (KEY, "New")


async def test_a_map_of_people_and_a_selection_come_with_an_import(other: Forge) -> None:
    rows = [{"source_user_identifier": 7, "gitlab_username": "jane"}]
    source = await put(other.api)
    refused = await other.ask("import.requested", {"path": "fresh", "source": source, "people": [{}, 7]})
    assert "people is invalid: row 2: it is not an object" in str(refused.data)
    answer = await other.ask(
        "import.requested",
        {"path": "fresh", "source": source, "people": rows, "import_members": True, "relations": ["uploads"]},
        number="2",
    )  # fmt: skip
    assert answer.accepted, answer.data
    stored = await find_map_for(other.api.pool, answer.data["project"]["id"])
    assert stored is not None
    assert (stored.people.rows[0].gitlab_username, stored.author) == ("jane", "ann")
    job = await jobs.find(other.api.pool, answer.data["job"]["id"])
    assert job is not None
    chosen = RelationSelection(relations=("uploads",))
    assert job.order == ImportOrder(import_members=True, selection=chosen)


async def test_a_worker_is_told_of_the_job(other: Forge) -> None:
    answer = await other.ask("import.requested", {"path": "fresh", "source": await put(other.api)})
    async with other.api.broker.consume("import", prefetch=1) as deliveries, asyncio.timeout(5):
        assert (await anext(deliveries)).message.body == str(answer.data["job"]["id"]).encode()


async def test_a_job_that_a_command_cancels_names_the_actor(other: Forge) -> None:
    answer = await other.ask("import.requested", {"path": "fresh", "source": await put(other.api)})
    number = answer.data["job"]["id"]
    assert (await other.ask("job.cancel", {"job": number}, number="2")).accepted
    shown = (await other.api.call("GET", f"/api/crossdock/v1/jobs/{number}", by="ann")).body
    assert (shown["state"], shown["canceled_by"]["username"]) == ("canceled", "ann")


async def test_the_answer_has_the_correlation_id_of_the_command(other: Forge) -> None:
    answer = await other.ask("job.cancel", {"job": 1}, number="7")
    assert answer.message.correlation_id == "c-7"
    bare = replace(command("job.cancel", {"job": 1}), correlation_id=None, message_id="m-8")
    assert (await other.send(bare)).message.correlation_id == "m-8"


async def test_a_job_has_the_correlation_id_and_the_trace_of_its_command(other: Forge) -> None:
    data = {"path": "fresh", "source": await put(other.api)}
    answer = await other.ask("import.requested", data, traceparent=TRACE)
    job = await jobs.find(other.api.pool, answer.data["job"]["id"])
    assert job is not None
    assert job.correlation_id == "c-1"
    (event,) = await events.list_unpublished(other.api.pool, limit=9)
    assert (event.name, event.traceparent) == ("import.queued", TRACE)


async def test_an_archive_behind_a_url_is_imported_and_looked_at_first(
    open_api: Api, servers: Servers
) -> None:
    async def answering(request: web.Request) -> web.Response:
        return web.Response(status=404 if "missing" in request.path else 200, headers=GZIP)

    base = f"http://files.test:{await servers.http(answering)}"
    remote = RemoteImportPolicy(schemes=("https", "http"), resolver=names())
    async with forge(open_api, remote=remote, outbound_local_requests_allowlist=("files.test",)) as sending:
        good = await sending.ask("import.requested", {"path": "p", "source": {"url": f"{base}/a.tar.gz"}})
        bad = await sending.ask("import.requested", {"path": "q", "source": {"url": f"{base}/missing"}})
    job = await jobs.find(open_api.pool, good.data["job"]["id"])
    assert job is not None
    assert opened(job) == ImportOrder(source=RemoteSource(url=f"{base}/a.tar.gz"))
    assert (bad.accepted, bad.data["status"]) == (False, 400)
    assert bad.data["reason"].startswith("Failed to retrive headers")


async def test_a_repository_is_imported_and_looked_at_first(
    open_api: Api, servers: Servers, tmp_path: Path
) -> None:
    make_repository(tmp_path / "git")
    base = f"http://files.test:{await servers.http(GitHttp(tmp_path / 'git').handle)}"
    remote = RemoteImportPolicy(schemes=("https", "http"), resolver=names())
    async with forge(open_api, remote=remote, outbound_local_requests_allowlist=("files.test",)) as sending:
        source = {"git": {"url": f"{base}/one.git"}}
        good = await sending.ask("import.requested", {"path": "p", "source": source})
        bad = await sending.ask("import.requested", {"path": "q", "source": {"git": {"url": f"{base}/none"}}})
        none = await sending.ask("import.requested", {"path": "r", "source": {"git": "x"}})
    job = await jobs.find(open_api.pool, good.data["job"]["id"])
    assert job is not None
    assert opened(job) == ImportOrder(source=RemoteSource(url=f"{base}/one.git", form=SourceForm.GIT))
    assert (bad.accepted, bad.data["status"]) == (False, 422)
    assert bad.data["reason"].startswith("Unable to access repository with the URL and credentials provided")
    assert (none.data["status"], none.data["reason"]) == (400, "source[git] is invalid")


async def test_a_refused_command_leaves_its_object_to_be_named_again(other: Forge) -> None:
    source = await put(other.api)
    refused = await other.ask("import.requested", {"path": "-", "source": source})
    assert (refused.accepted, await other.api.pool.fetchval("SELECT count(*) FROM objects")) == (False, 0)
    assert (await other.ask("import.requested", {"path": "p", "source": source})).accepted


async def test_a_command_that_nobody_foresaw_is_kept_and_the_next_one_taken(
    other: Forge, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, asked = other.api.broker.answer, []

    async def odd(queue: str, message: Message) -> bool:
        asked.append(queue)
        if len(asked) == 1:
            raise TypeError
        return await answer(queue, message)

    monkeypatch.setattr(other.api.broker, "answer", odd)
    await other.api.broker.publish(INBOX, command("job.cancel", {"job": 1}))
    (letter,) = await other.dead_letters()
    assert letter.reason == "500 TypeError"
    assert (await other.ask("job.cancel", {"job": 2}, number="9")).data["status"] == 404


async def test_a_command_is_not_carried_out_again_as_its_answer_has_to_wait(
    other: Forge, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, asked = other.api.broker.answer, []

    async def away(queue: str, message: Message) -> bool:
        asked.append(message.message_id)
        if len(asked) == 1:
            raise BrokerError("away")
        return await answer(queue, message)

    monkeypatch.setattr(other.api.broker, "answer", away)
    await other.ask("job.cancel", {"job": 1})
    assert len(asked) == 2
    assert asked[0] == asked[1]


async def test_an_export_is_made_with_what_was_asked_for(other: Forge, open_api: Api) -> None:
    user = await open_api.user("root", is_admin=True)
    project = await open_api.project(user)
    upload = {"url": "https://s3.example.com/x", "http_method": "POST"}
    given = {
        "project": project.full_path,
        "description": "d",
        "upload": upload,
        "excluded_relations": "uploads",
    }
    answer = await other.ask("export.requested", given, actor="root")
    assert answer.accepted, answer.data
    job = await open_api.newest(project, JobKind.EXPORT)
    target = UploadTarget(url="https://s3.example.com/x", method="POST")
    selection = RelationSelection(excluded_relations=("uploads",))
    assert opened(job) == ExportOrder(description="d", upload=target, selection=selection)
    assert answer.data["job"]["id"] == job.id


async def test_an_export_under_way_refuses_another_one(other: Forge, open_api: Api) -> None:
    project = await open_api.project(await open_api.user("root", is_admin=True))
    assert (await other.ask("export.requested", {"project": project.id}, actor="root")).accepted
    again = await other.ask("export.requested", {"project": project.id}, actor="root")
    assert (again.data["status"], again.data["code"]) == (400, "export_underway")
    assert await jobs_of(open_api) == 1


async def test_a_job_is_canceled(other: Forge, open_api: Api) -> None:
    ann = await open_api.member("bob", await anns_project(open_api), AccessLevel.DEVELOPER)
    project = await anns_project(open_api)
    job = await open_api.job(project, ann)
    answer = await other.ask("job.cancel", {"job": job.id})
    assert answer.accepted
    assert await open_api.pool.fetchval("SELECT state FROM jobs") == "canceled"
    again = await other.ask("job.cancel", {"job": job.id})
    assert (again.data["status"], again.data["reason"]) == (409, "409 Conflict: the job has ended")


async def test_the_same_message_twice_gives_the_same_job_in_either_mode(other: Forge) -> None:
    message = command("import.requested", {"path": "fresh", "source": await put(other.api)})
    first, second = await other.send(message), await other.send(message)
    attributes = {name.removeprefix("cloudEvents_"): each for name, each in message.headers.items()}
    whole = {**attributes, "data": json.loads(message.body)}
    structured = replace(
        message, body=json.dumps(whole).encode(), headers={}, content_type="application/cloudevents+json"
    )
    third = await other.send(structured)
    assert first.accepted
    assert first.data == second.data == third.data
    assert await jobs_of(other.api) == 1


async def test_the_same_message_many_times_at_once_gives_one_job(open_api: Api) -> None:
    message = command("import.requested", {"path": "fresh", "source": await put(open_api)})
    async with forge(open_api, consumers=2) as sending:
        for _ in range(8):
            await open_api.broker.publish("commands", message)
        answers = [await sending.next_answer() for _ in range(8)]
    assert all(each.accepted for each in answers), [each.data for each in answers]
    assert len({each.data["job"]["id"] for each in answers}) == 1
    assert await jobs_of(open_api) == 1


async def test_a_refused_command_may_be_sent_again_when_its_reason_is_gone(other: Forge) -> None:
    message = command("import.requested", {"path": "fresh", "source": {"key": KEY}})
    assert (await other.send(message)).data["reason"] == f"File not found '{KEY}'"
    await put(other.api)
    assert (await other.send(message)).accepted


async def test_a_command_waits_for_a_database_that_is_away(other: Forge, open_api: Api) -> None:
    message = command("import.requested", {"path": "fresh", "source": await put(open_api)})
    failures = [ConnectionResetError(), ConnectionResetError()]

    async def fail_first(db: Database, name: str) -> User | None:
        if failures:
            raise failures.pop()
        return await find_user(db, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("services.api.queue.actors.find_user", fail_first)
        answer = await other.send(message)
    assert answer.accepted
    assert failures == []


async def test_commands_are_counted_by_what_became_of_them(other: Forge, open_api: Api) -> None:
    message = command("import.requested", {"path": "fresh", "source": await put(open_api)})
    failures = [ConnectionResetError()]

    async def fail_first(db: Database, name: str) -> User | None:
        if failures:
            raise failures.pop()
        return await find_user(db, name)

    assert other.ended() == {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("services.api.queue.actors.find_user", fail_first)
        patch.setattr("services.api.queue.consumer._PATIENCE", timedelta(microseconds=1))
        assert (await other.send(message)).accepted
        assert not (await other.ask("job.cancel", {"job": 77}, number="7")).accepted
    await other.dead_letters()
    # Each is answered before the broker is told.
    await until(lambda: other.ended() == {"accepted": 1, "refused": 1, "given_back": 1})


async def test_a_fault_of_ours_is_answered_and_kept(other: Forge, open_api: Api) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(open_api.store, "stat", broken)
        answer = await other.ask("import.requested", {"path": "fresh", "source": {"key": KEY}})
    assert (answer.data["status"], answer.data["reason"]) == (500, "500 Internal Server Error")
    assert [letter.reason for letter in await other.dead_letters()] == ["500 Internal Server Error"]


async def test_the_object_that_was_handed_over_is_collected_when_its_import_has_ended(
    other: Forge, open_api: Api
) -> None:
    answer = await other.ask("import.requested", {"path": "fresh", "source": await put(open_api)})
    rows = await open_api.pool.fetch("SELECT kind, state, size FROM objects")
    assert [tuple(row) for row in rows] == [("upload", "stored", len(ARCHIVE))]
    assert answer.accepted
