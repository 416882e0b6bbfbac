from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from services.api.queue.actors import Actors
from services.api.queue.consumer import INBOX
from services.api.queue.masking import without_secrets
from services.api.queue.reply_queues import ReplyQueues
from shared.broker.base import MAX_BODY_BYTES, MAX_REASON_CHARACTERS, Message
from shared.errors import Denied
from shared.settings.environment import Settings
from tests.support.api import Api
from tests.support.commands import KEY, Forge, anns_project, command, forge, jobs_of, put
from tests.support.waiting import until

GZIP = {"Content-Type": "application/gzip", "Content-Length": "1000"}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_what_is_quoted_in_a_reason_is_cut_so_that_it_can_be_answered(other: Forge) -> None:
    key = f"incoming/forge/{'k' * 60_000}.gz"
    answer = await other.ask("import.requested", {"path": "p", "source": {"key": key}})
    assert answer.data["status"] == 400
    assert len(answer.data["reason"]) == MAX_REASON_CHARACTERS


async def test_addresses_are_refused_as_for_requests(other: Forge) -> None:
    answer = await other.ask(
        "import.requested", {"path": "p", "source": {"url": "https://127.0.0.1/a.tar.gz"}}
    )
    assert answer.data["reason"].startswith("File url is blocked: ")
    s3 = dict.fromkeys(("region", "bucket_name", "file_key", "access_key_id", "secret_access_key"), "x")
    answer = await other.ask("import.requested", {"path": "p", "source": {"s3": s3 | {"region": ""}}})
    assert answer.data["reason"] == "Region can't be blank"


async def test_the_same_id_with_another_content_is_refused(other: Forge) -> None:
    source = await put(other.api)
    await other.ask("import.requested", {"path": "fresh", "source": source}, number="1")
    answer = await other.ask("import.requested", {"path": "other", "source": source}, number="1")
    assert answer.data["status"] == 422
    assert await jobs_of(other.api) == 1


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


async def test_nothing_is_commanded_for_who_is_blocked(other: Forge) -> None:
    await other.api.pool.execute("UPDATE users SET blocked = true WHERE username = 'ann'")
    message = command("import.requested", {"path": "fresh", "source": await put(other.api)}, actor="ann")
    answer = await other.send(replace(message, user_id="forge"))
    assert answer.data["reason"] == "403 Forbidden - Your account has been blocked."
    assert await jobs_of(other.api) == 0


async def test_everybody_may_be_named_by_a_sender_who_speaks_for_everybody(other: Forge) -> None:
    source = await put(other.api, "incoming/ci/one.tar.gz")
    message = command("import.requested", {"path": "fresh", "source": source}, actor="Ann")
    assert (await other.send(replace(message, user_id="ci"))).accepted


async def test_without_the_setting_nobody_may_send_commands(open_api: Api) -> None:
    with pytest.raises(Denied):
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
        ("import.requested", {}, 400, "source must have exactly one of url, s3, key, git, github"),
        (
            "import.requested", {"path": "p", "source": {"url": "https://x", "key": "k"}}, 400,
            "source must have exactly one of url, s3, key, git, github",
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
    assert letter.message == without_secrets(message)


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


async def test_nothing_is_sent_into_a_queue_of_others_and_the_command_is_carried_out(
    other: Forge, open_api: Api
) -> None:
    job = await open_api.job(await anns_project(open_api), await open_api.user("bob"))
    async with open_api.broker.consume("payments", prefetch=1) as payments:
        foreign = replace(command("job.cancel", {"job": job.id}), reply_to="payments")
        with capture_logs() as logs:
            await open_api.broker.publish(INBOX, foreign)
            await until(lambda: other.replied() == {"forbidden": 1})
            assert not (await other.ask("job.cancel", {"job": job.id}, number="2")).accepted
            await until(lambda: other.replied() == {"sent": 1, "forbidden": 1})
        waiting = asyncio.ensure_future(anext(payments))
        await open_api.broker.publish("payments", Message(b"", "first"))
        assert (await waiting).message.message_id == "first"
    assert await open_api.pool.fetchval("SELECT state FROM jobs") == "canceled"
    told = [each for each in logs if each["event"] == "reply_not_sent"]
    assert [(each["reason"], each["reply_to"], each["sender"]) for each in told] == [
        ("forbidden", "payments", "forge")
    ]


@pytest.mark.parametrize(
    ("queue", "allowed"),
    [
        ("amq.rabbitmq.reply-to.g1h2AA5yZXBseUA2MjMwNDk4MgAA.x==", True),
        ("amq.rabbitmq.reply-to", False),
        ("amq.gen-JzTY20BRgKO-HjmUJj0wLg", True),
        ("forge.answers", True),
        ("forge", False),
        ("my.forge.answers", False),
        ("ci-answers", True),
        ("ci-answers-2", False),
        ("payments", False),
        ("amq.direct", False),
        ("", False),
    ],
)
def test_answers_go_to_queues_that_rabbitmq_named_and_to_those_of_the_setting(
    queue: str, *, allowed: bool
) -> None:
    assert ReplyQueues("forge.*, ci-answers").allows(queue) is allowed
    assert ReplyQueues("").allows(queue) is (allowed and queue.startswith("amq."))


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
    project = await anns_project(open_api)
    await open_api.call("PUT", f"/api/v4/projects/{project.id}", by="ann", json={"path": "renamed"})
    answer = await other.ask("export.requested", {"project": "ann/project"})
    assert answer.data["status"] == 405


async def test_the_rate_limit_counts_commands_and_requests_together(open_api: Api) -> None:
    project = await anns_project(open_api)
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
    project = await anns_project(open_api)
    async with forge(open_api, project_export_enabled=False, import_sources=()) as sending:
        export = await sending.ask("export.requested", {"project": project.id})
        import_ = await sending.ask("import.requested", {"path": "a", "source": {"key": KEY}})
    assert (export.data["status"], import_.data["status"]) == (404, 403)


async def test_a_refused_command_is_kept_without_its_addresses_and_keys(other: Forge) -> None:
    s3 = {"region": "r", "bucket_name": "b", "file_key": "k", "access_key_id": "canary"}
    await other.ask("import.requested", {"path": "p", "source": {"s3": s3, "url": "https://h/?canary"}})
    (letter,) = await other.dead_letters()
    assert b"canary" not in letter.message.body
    assert b'"path":"p"' in letter.message.body
