"""Lists and replays dead letters: messages that could not be processed."""

from __future__ import annotations

from services.api.queue.masking import without_secrets
from services.cli.admin_results import DeadLetterList, DeadLetterResult, ReplayResult
from shared.broker.base import COMMANDS, Broker, DeadLetter


async def list_dead_letters(broker: Broker, queue: str) -> DeadLetterList:
    """Return the dead letters of a queue, without removing them."""
    letters = [_result(each) async for each in broker.dead_letters(queue)]
    return DeadLetterList(queue=queue, dead_letters=letters)


def _result(letter: DeadLetter) -> DeadLetterResult:
    """Describe a dead letter; a command that the broker gave up still has its secrets."""
    message = without_secrets(letter.message) if letter.queue == COMMANDS else letter.message
    return DeadLetterResult(
        id=message.message_id, reason=letter.reason, body=message.body.decode(errors="replace")
    )


async def replay_dead_letters(broker: Broker, queue: str) -> ReplayResult:
    """Put the dead letters of a queue back into it."""
    return ReplayResult(queue=queue, replayed=await broker.replay(queue))
