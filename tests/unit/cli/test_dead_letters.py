from __future__ import annotations

import pytest

from services.cli.admin_results import DeadLetterResult
from services.cli.dead_letters import list_dead_letters, replay_dead_letters
from shared.broker.base import Message
from shared.broker.memory import MemoryBroker


@pytest.fixture
async def broker() -> MemoryBroker:
    broker = MemoryBroker()
    await broker.publish("import", Message(b"\xff" + b"x" * 300, "one"))
    async with broker.consume("import", prefetch=1) as deliveries:
        await (await anext(deliveries)).reject("poison")
    return broker


async def test_dead_letters_are_given_as_text(broker: MemoryBroker) -> None:
    found = await list_dead_letters(broker, "import")
    assert found.dead_letters == [DeadLetterResult(id="one", reason="poison", body="\ufffd" + "x" * 300)]


async def test_people_see_the_start_of_a_dead_letter(
    broker: MemoryBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    (await list_dead_letters(broker, "import")).show()
    assert capsys.readouterr().out.splitlines()[1] == f"one  poison  \ufffd{'x' * 199}"


async def test_replayed_letters_are_counted(broker: MemoryBroker) -> None:
    assert (await replay_dead_letters(broker, "import")).replayed == 1
    assert (await list_dead_letters(broker, "import")).dead_letters == []


async def test_a_command_that_the_broker_gave_up_is_shown_without_its_secrets() -> None:
    broker = MemoryBroker()
    await broker.publish("commands", Message(b'{"source":{"url":"https://h/a?secret"}}', "m"))
    async with broker.consume("commands", prefetch=1) as deliveries:
        await (await anext(deliveries)).reject("gave up")
    [shown] = (await list_dead_letters(broker, "commands")).dead_letters
    assert shown.body == '{"source":{"url":"https://h/*****"}}'
