from __future__ import annotations

import json
from typing import Any

import pytest

from shared.accounts.models import User
from shared.broker.base import COMMANDS, Message
from shared.broker.memory import MemoryBroker
from shared.errors import BrokerError
from tests.support.api import Answer, Api

PATH = "/api/crossdock/v1/system/dead-letters"


@pytest.fixture
async def root(api: Api) -> User:
    return await api.user("root", is_admin=True)


async def _reject(api: Api, queue: str, *messages: Message) -> None:
    for each in messages:
        await api.broker.publish(queue, each)
    async with api.broker.consume(queue, prefetch=len(messages)) as deliveries:
        for _ in messages:
            await (await anext(deliveries)).reject("no job")


async def _listed(api: Api, query: str = "") -> Any:
    answer = await api.call("GET", f"{PATH}{query}", by="root")
    assert answer.status == 200, answer
    return answer.body


async def _post(api: Api, verb: str, *, by: str | None = "root", **body: object) -> Answer:
    return await api.call("POST", f"{PATH}/{verb}", by=by, json=body)


async def test_dead_letters_are_for_administrators(api: Api, root: User, ann: User) -> None:
    for by, status in ((root.username, 200), (ann.username, 403), (None, 401)):
        assert (await api.call("GET", PATH, by=by)).status == status
        for verb in ("replay", "discard"):
            assert (await _post(api, verb, by=by, queue="export")).status == status


async def test_dead_letters_of_all_queues_or_of_one_are_listed(api: Api, root: User) -> None:
    await _reject(api, "export", Message(b"x", "m-1"), Message(b"y", "m-2"))
    await _reject(api, "import", Message(b"z" * 9000, "m-3"))

    found = await _listed(api)

    assert [each["id"] for each in found["dead_letters"]] == ["m-3", "m-1", "m-2"]
    assert found["partial"] is False
    assert found["dead_letters"][1] == {
        "queue": "export", "id": "m-1", "reason": "no job", "size": 1, "body": "x"
    }  # fmt: skip
    assert (found["dead_letters"][0]["size"], found["dead_letters"][0]["body"]) == (9000, "z" * 2000)
    assert [each["id"] for each in (await _listed(api, "?queue=export"))["dead_letters"]] == ["m-1", "m-2"]


async def test_a_list_ends_after_a_hundred_and_says_so(api: Api, root: User) -> None:
    await _reject(api, "export", *(Message(b"x", f"m-{number}") for number in range(100)))
    assert (await _listed(api))["partial"] is False
    await _reject(api, "export", Message(b"x", "m-100"))
    found = await _listed(api)
    assert (len(found["dead_letters"]), found["partial"]) == (100, True)


async def test_a_dead_command_is_shown_without_its_secrets(api: Api, root: User) -> None:
    command = {"data": {"url": "https://s3.example.com/x?secret"}, "private_token": "glpat-secret"}
    await _reject(api, COMMANDS, Message(json.dumps(command).encode(), "m-1"))
    (shown,) = (await _listed(api))["dead_letters"]
    assert "secret" not in shown["body"]


async def test_dead_letters_are_replayed_all_or_one(api: Api, root: User) -> None:
    await _reject(api, "export", *(Message(b"x", f"m-{number}") for number in range(3)))
    one = await _post(api, "replay", queue="export", id="m-1")
    assert [each["id"] for each in (await _listed(api))["dead_letters"]] == ["m-0", "m-2"]
    others = await _post(api, "replay", queue="export")
    assert (one.body, others.body) == ({"replayed": 1}, {"replayed": 2})
    async with api.broker.consume("export", prefetch=3) as deliveries:
        replayed = [(await anext(deliveries)).message.message_id for _ in range(3)]
    assert replayed == ["m-1", "m-0", "m-2"]


async def test_dead_letters_are_discarded_all_or_one(api: Api, root: User) -> None:
    await _reject(api, "export", *(Message(b"x", f"m-{number}") for number in range(3)))
    one = await _post(api, "discard", queue="export", id="m-1")
    assert [each["id"] for each in (await _listed(api))["dead_letters"]] == ["m-0", "m-2"]
    others = await _post(api, "discard", queue="export")
    assert (one.body, others.body) == ({"discarded": 1}, {"discarded": 2})
    assert (await _listed(api))["dead_letters"] == []


async def test_a_broker_that_is_away_is_told_as_an_outage(
    api: Api, root: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_broker: MemoryBroker, _queue: str, *, message_id: str | None) -> int:
        assert message_id is None
        raise BrokerError("away")

    monkeypatch.setattr(MemoryBroker, "discard", away)
    assert (await _post(api, "discard", queue="export")).status == 503


async def test_a_queue_has_to_be_one(api: Api, root: User) -> None:
    refused = await _post(api, "discard")
    assert (refused.status, json.loads(refused.body)["detail"]) == (400, "queue is missing")
    unknown = await _post(api, "replay", queue="none")
    assert json.loads(unknown.body)["detail"] == "queue does not have a valid value"
    assert (await api.call("GET", f"{PATH}?queue=none", by="root")).status == 400
