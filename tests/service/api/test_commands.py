from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import ValidationError

from services.api.commands.actors import Actors
from services.api.commands.consumer import INBOX
from services.api.errors import Forbidden
from shared.accounts.models import AccessLevel, User
from shared.accounts.users import find_user
from shared.broker.base import MAX_BODY_BYTES, MAX_REASON_CHARACTERS, Message
from shared.database.pool import Database
from shared.errors import BrokerError
from shared.events import store as events
from shared.instance.remote_imports import RemoteImports
from shared.jobs import store as jobs
from shared.jobs.models import ExportOrder, ImportOrder, JobKind, UploadTarget
from shared.projects import store
from shared.settings import Settings
from tests.support.api import ARCHIVE, Api, running_api
from tests.support.commands import SOURCE, Forge, command, forge
from tests.support.remote import Servers, names

GZIP = {"Content-Type": "application/gzip", "Content-Length": "1000"}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
KEY = "incoming/forge/one.tar.gz"


@pytest.fixture
async def open_api(database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(database_url, tmp_path / "objects") as running:
        await running.user("ann")
        yield running


@pytest.fixture
async def other(open_api: Api) -> AsyncIterator[Forge]:
    async with forge(open_api) as sending:
        yield sending


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    async with AsyncExitStack() as stack:
        yield Servers(stack)


async def put(api: Api, key: str = KEY) -> dict[str, Any]:
    """Put an archive where others may put theirs; gives the source that names it."""
    async with api.store.create(key) as writer:
        await writer.write(ARCHIVE)
        await writer.commit()
    return {"key": key}


async def jobs_of(api: Api) -> int:
    number: int = await api.pool.fetchval("SELECT count(*) FROM jobs")
    return number


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


async def test_a_worker_is_told_of_the_job(other: Forge) -> None:
    answer = await other.ask("import.requested", {"path": "fresh", "source": await put(other.api)})
    async with other.api.broker.consume("import", prefetch=1) as deliveries, asyncio.timeout(5):
        assert (await anext(deliveries)).message.body == str(answer.data["job"]["id"]).encode()


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
    (event,) = await events.unpublished(other.api.pool, limit=9)
    assert (event.name, event.traceparent) == ("import.queued", TRACE)


async def test_an_archive_behind_a_url_is_imported_and_looked_at_first(
    open_api: Api, servers: Servers
) -> None:
    async def answering(request: web.Request) -> web.Response:
        return web.Response(status=404 if "missing" in request.path else 200, headers=GZIP)

    base = f"http://files.test:{await servers.http(answering)}"
    remote = RemoteImports(schemes=("https", "http"), resolver=names())
    async with forge(open_api, remote=remote, outbound_local_requests_allowlist=("files.test",)) as sending:
        good = await sending.ask("import.requested", {"path": "p", "source": {"url": f"{base}/a.tar.gz"}})
        bad = await sending.ask("import.requested", {"path": "q", "source": {"url": f"{base}/missing"}})
    job = await jobs.find(open_api.pool, good.data["job"]["id"])
    assert job is not None
    assert isinstance(job.order, ImportOrder)
    assert job.order.source is not None
    assert job.order.source.url == f"{base}/a.tar.gz"
    assert (bad.accepted, bad.data["status"]) == (False, 400)
    assert bad.data["reason"].startswith("Failed to retrive headers")


async def test_a_refused_command_leaves_its_object_to_be_named_again(other: Forge) -> None:
    source = await put(other.api)
    refused = await other.ask("import.requested", {"path": "-", "source": source})
    assert (refused.accepted, await other.api.pool.fetchval("SELECT count(*) FROM objects")) == (False, 0)
    assert (await other.ask("import.requested", {"path": "p", "source": source})).accepted


async def test_what_is_quoted_in_a_reason_is_cut_so_that_it_can_be_answered(other: Forge) -> None:
    key = f"incoming/forge/{'k' * 60_000}.gz"
    answer = await other.ask("import.requested", {"path": "p", "source": {"key": key}})
    assert answer.data["status"] == 400
    assert len(answer.data["reason"]) == MAX_REASON_CHARACTERS


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


async def test_addresses_are_refused_as_for_requests(other: Forge) -> None:
    answer = await other.ask(
        "import.requested", {"path": "p", "source": {"url": "https://127.0.0.1/a.tar.gz"}}
    )
    assert answer.data["reason"].startswith("File url is blocked: ")
    s3 = dict.fromkeys(("region", "bucket_name", "file_key", "access_key_id", "secret_access_key"), "x")
    answer = await other.ask("import.requested", {"path": "p", "source": {"s3": s3 | {"region": ""}}})
    assert answer.data["reason"] == "Region can't be blank"


async def test_an_export_is_made_with_what_was_asked_for(other: Forge, open_api: Api) -> None:
    user = await open_api.user("root", is_admin=True)
    project = await open_api.project(user)
    upload = {"url": "https://s3.example.com/x", "http_method": "POST"}
    for reference in (project.id, project.full_path):
        answer = await other.ask(
            "export.requested", {"project": reference, "description": "d", "upload": upload}, actor="root"
        )
        assert answer.accepted, answer.data
    job = await open_api.newest(project, JobKind.EXPORT)
    target = UploadTarget(url="https://s3.example.com/x", method="POST")
    assert job.order == ExportOrder(description="d", upload=target)
    assert answer.data["job"]["id"] == job.id
    assert await jobs_of(open_api) == 1  # the same export that is on its way is that one


async def test_a_job_is_canceled(other: Forge, open_api: Api) -> None:
    ann = await open_api.member("bob", await _anns(open_api), AccessLevel.DEVELOPER)
    project = await _anns(open_api)
    job = await open_api.job(project, ann)
    answer = await other.ask("job.cancel", {"job": job.id})
    assert answer.accepted
    assert await open_api.pool.fetchval("SELECT state FROM jobs") == "canceled"
    again = await other.ask("job.cancel", {"job": job.id})
    assert (again.data["status"], again.data["reason"]) == (409, "409 Conflict: the job has ended")


async def _anns(api: Api) -> Any:
    project = await store.find_by_path(api.pool, "ann/project")
    if project is None:
        user = (await api.get("/user", by="ann")).body["id"]
        project = await store.create(
            api.pool,
            store.NewProject(
                namespace_id=await api.pool.fetchval("SELECT id FROM namespaces WHERE path = 'ann'"),
                creator_id=user, path="project", name="project",
            ),
        )  # fmt: skip
    return project


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


async def test_the_same_id_with_another_content_is_refused(other: Forge) -> None:
    source = await put(other.api)
    await other.ask("import.requested", {"path": "fresh", "source": source}, number="1")
    answer = await other.ask("import.requested", {"path": "other", "source": source}, number="1")
    assert answer.data["status"] == 422
    assert await jobs_of(other.api) == 1


async def test_a_refused_command_may_be_sent_again_when_its_reason_is_gone(other: Forge) -> None:
    message = command("import.requested", {"path": "fresh", "source": {"key": KEY}})
    assert (await other.send(message)).data["reason"] == f"File not found '{KEY}'"
    await put(other.api)
    assert (await other.send(message)).accepted


@pytest.mark.parametrize(
    ("actor", "sender", "reason"),
    [
        ("bob", "forge", "403 Forbidden - forge may not send commands for bob"),
        ("ann", "stranger", "403 Forbidden - stranger may not send commands for ann"),
        ("ann", None, "403 Forbidden - the message has no user_id"),
        (None, "forge", "actor is missing"),
        ("nobody", "ci", "404 User with ID or username 'nobody' Not Found"),
    ],
)
async def test_a_sender_commands_only_for_whom_the_setting_names(
    other: Forge, actor: str | None, sender: str | None, reason: str
) -> None:
    message = command("import.requested", {"path": "fresh", "source": await put(other.api)}, actor=actor)
    answer = await other.send(replace(message, user_id=sender))
    assert answer.data["reason"] == reason
    assert await jobs_of(other.api) == 0
    assert [letter.message.message_id for letter in await other.dead_letters()] == ["m-1"]


async def test_everybody_may_be_named_by_a_sender_who_speaks_for_everybody(other: Forge) -> None:
    source = await put(other.api, "incoming/ci/one.tar.gz")
    message = command("import.requested", {"path": "fresh", "source": source}, actor="Ann")
    assert (await other.send(replace(message, user_id="ci"))).accepted


async def test_without_the_setting_nobody_may_send_commands(open_api: Api) -> None:
    with pytest.raises(Forbidden):
        await Actors(" ").find(open_api.pool, "ann", sender="forge")


@pytest.mark.parametrize("setting", ["", "forge=ann", " forge = ann , ci=* ", "forge=ann,"])
def test_the_setting_is_a_list_of_pairs(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSDOCK_COMMAND_ACTORS", setting)
    assert Settings().command_actors == setting


@pytest.mark.parametrize("setting", ["forge", "forge=", "=ann", "forge=ann,ci", "a=b=c"])
def test_what_is_no_pair_is_no_setting(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSDOCK_COMMAND_ACTORS", setting)
    with pytest.raises(ValidationError):
        Settings()


@pytest.mark.parametrize(
    ("kind", "data", "status", "reason"),
    [
        ("import.requested", {}, 400, "source must have exactly one of url, s3, key"),
        (
            "import.requested", {"path": "p", "source": {"url": "https://x", "key": "k"}}, 400,
            "source must have exactly one of url, s3, key",
        ),
        ("import.requested", {"source": {"url": "https://x"}}, 400, "path is missing"),
        (
            "import.requested", {"path": "p", "source": {"key": "packs/aa/x.tar.gz"}}, 400,
            "source[key] does not begin with incoming/",
        ),
        ("import.requested", {"path": "p", "source": {"key": "incoming/forge/../packs/a.gz"}}, 400,
         "File not found 'incoming/forge/../packs/a.gz'"),
        ("import.requested", {"path": "p", "source": {"key": "incoming/other/x.gz"}}, 403,
         "403 Forbidden - forge may import what is below incoming/forge/ alone"),
        (
            "import.requested", {"path": "p", "source": {"key": "incoming/x.zip"}}, 422,
            "You need to upload a GitLab project export archive (ending in .gz).",
        ),
        (
            "import.requested", {"path": "p", "namespace": "no/such", "source": {"key": KEY}}, 404,
            "404 Namespace Not Found",
        ),
        (
            "import.requested", {"path": "p", "override_params": {"visibility": "x"}, "source": {"key": KEY}},
            400, "override_params[visibility] does not have a valid value",
        ),
        ("export.requested", {}, 400, "project is missing"),
        ("export.requested", {"project": "no/such"}, 404, "404 Project Not Found"),
        ("job.cancel", {}, 400, "job is missing"),
        ("job.cancel", {"job": "x"}, 400, "job is invalid"),
        ("job.cancel", {"job": 4711}, 404, "404 Job Not Found"),
        (
            "import.undo", {}, 400,
            "type com.crossdock.import.undo.v1 is none of import.requested, export.requested, job.cancel",
        ),
    ],
)  # fmt: skip
async def test_a_bad_command_is_answered_in_the_api_s_words_and_kept_with_the_reason(
    other: Forge, kind: str, data: object, status: int, reason: str
) -> None:
    answer = await other.ask(kind, data)
    assert answer.type == "com.crossdock.command.refused.v1"
    assert (answer.data["status"], answer.data["reason"]) == (status, reason)
    (letter,) = await other.dead_letters()
    assert letter.reason == f"{status} {reason.removeprefix(f'{status} ')}"


def _bad_messages() -> dict[str, tuple[Message, str]]:
    good = command("job.cancel", {"job": 1})
    structured = "application/cloudevents+json"
    return {
        "no JSON": (replace(good, body=b"{"), "data is not valid JSON"),
        "a list": (replace(good, body=b"[]"), "data is no JSON object"),
        "no headers": (replace(good, headers={}), "specversion, id, source, type is missing"),
        "old": (command("job.cancel", {}, specversion="0.3"), "specversion has to be 1.0"),
        "text": (replace(good, content_type="text/plain"), "datacontenttype has to be application/json"),
        "long id": (command("job.cancel", {}, id="x" * 256), "id has more than 255 bytes"),
        "long id in bytes": (command("job.cancel", {}, id="\u00e9" * 128), "id has more than 255 bytes"),
        "NUL": (command("job.cancel", {}, id="a\0"), "id has a NUL"),
        "time": (command("job.cancel", {}, time="noon"), "time is no time (RFC 3339)"),
        "name": (command("job.cancel", {}, no_name="x"), "'no_name' is no name of an attribute"),
        "structured, no JSON": (
            replace(good, body=b"\xff", content_type=structured), "the body is not valid JSON"
        ),
        "structured, no data": (
            replace(good, body=b"{}", content_type=structured), "data is missing or no JSON object"
        ),
        "structured, an attribute that is a list": (
            replace(good, body=b'{"id": [], "data": {}}', content_type=structured), "id is no text"
        ),
    }  # fmt: skip


@pytest.mark.parametrize("case", _bad_messages())
async def test_what_is_no_cloud_event_is_answered_and_kept(other: Forge, case: str) -> None:
    message, reason = _bad_messages()[case]
    answer = await other.send(message)
    assert (answer.data["status"], answer.data["reason"]) == (400, f"not a CloudEvent: {reason}")
    assert answer.data["command"] is None
    (letter,) = await other.dead_letters()
    assert letter.message == message


async def test_a_large_command_is_refused_and_the_limit_named(other: Forge) -> None:
    message = command("job.cancel", {"job": 1, "x": "x" * MAX_BODY_BYTES})
    other.api.broker._queue("commands").put(_waiting(message))
    answer = await other.next_answer()
    assert answer.data["status"] == 413
    assert str(MAX_BODY_BYTES) in answer.data["reason"]


def _waiting(message: Message) -> Any:
    from shared.broker.memory import _Waiting  # noqa: PLC0415  # past the limit of publish

    return _Waiting(message)


async def test_who_wants_no_answer_gets_none_and_the_refused_is_kept(other: Forge) -> None:
    for reply_to in (None, "gone"):
        silent = replace(command("job.cancel", {"job": 1}), reply_to=reply_to)
        await other.api.broker.publish("commands", silent)
    assert (await other.ask("job.cancel", {"job": 2}, number="9")).message.correlation_id == "c-9"
    assert len(await other.dead_letters(3)) == 3


async def test_roles_hold_for_commands(other: Forge, open_api: Api) -> None:
    bob = await open_api.user("bob")
    project = await open_api.project(bob, "secret")
    job = await open_api.job(project, bob)
    reasons = [
        (await other.ask("export.requested", {"project": project.id})).data["reason"],
        (await other.ask("job.cancel", {"job": job.id})).data["reason"],
        (await other.ask(
            "import.requested", {"path": "p", "namespace": "bob", "source": await put(open_api)}
        )).data["reason"],
    ]  # fmt: skip
    assert reasons == ["404 Project Not Found", "404 Job Not Found", "404 Namespace Not Found"]
    assert await jobs_of(open_api) == 1


async def test_who_sees_a_project_only_may_not_export_it(other: Forge, open_api: Api) -> None:
    bob = await open_api.user("bob")
    project = await open_api.project(bob)
    await open_api.pool.execute(
        """INSERT INTO memberships (user_id, project_id, access_level)
           SELECT id, $1, 30 FROM users WHERE username = 'ann'""",
        project.id,
    )
    answer = await other.ask("export.requested", {"project": project.id})
    assert (answer.data["status"], answer.data["reason"]) == (403, "403 Forbidden")


async def test_a_project_is_not_exported_by_its_old_path(other: Forge, open_api: Api) -> None:
    project = await _anns(open_api)
    await open_api.call("PUT", f"/api/v4/projects/{project.id}", by="ann", json={"path": "renamed"})
    answer = await other.ask("export.requested", {"project": "ann/project"})
    assert answer.data["status"] == 405


async def test_the_rate_limit_counts_commands_and_requests_together(open_api: Api) -> None:
    project = await _anns(open_api)
    async with forge(open_api, project_export_limit=1, project_import_limit=1) as sending:
        assert (await sending.ask("export.requested", {"project": project.id})).accepted
        answer = await sending.ask("export.requested", {"project": project.id, "description": "d"})
        assert answer.data["status"] == 429
        assert 1 <= answer.data["retry_after"] <= 60
        source = await put(open_api)
        assert (await sending.ask("import.requested", {"path": "a", "source": source})).accepted
        answer = await sending.ask("import.requested", {"path": "b", "source": source})
        assert answer.data["status"] == 429


async def test_the_limit_on_the_size_of_an_import_holds(open_api: Api) -> None:
    async with forge(open_api, max_import_size=1) as sending:
        source = {"key": KEY}
        async with open_api.store.create(KEY) as writer:
            await writer.write(bytes(2**20 + 1))
            await writer.commit()
        answer = await sending.ask("import.requested", {"path": "a", "source": source})
    assert answer.data["status"] == 413


async def test_what_is_switched_off_is_off_for_commands(open_api: Api) -> None:
    project = await _anns(open_api)
    async with forge(open_api, project_export_enabled=False, import_sources=()) as sending:
        export = await sending.ask("export.requested", {"project": project.id})
        import_ = await sending.ask("import.requested", {"path": "a", "source": {"key": KEY}})
    assert (export.data["status"], import_.data["status"]) == (404, 403)


async def test_a_command_waits_for_a_database_that_is_away(other: Forge, open_api: Api) -> None:
    message = command("import.requested", {"path": "fresh", "source": await put(open_api)})
    failures = [ConnectionResetError(), ConnectionResetError()]

    async def fail_first(db: Database, name: str) -> User | None:
        if failures:
            raise failures.pop()
        return await find_user(db, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("services.api.commands.actors.find_user", fail_first)
        answer = await other.send(message)
    assert answer.accepted
    assert failures == []


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
