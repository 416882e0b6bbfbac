"""Lists and replays dead letters: messages that could not be processed."""

from __future__ import annotations

from services.cli.admin_results import DeadLetterList, DeadLetterResult, ReplayResult
from shared.broker.base import Broker


async def list_dead_letters(broker: Broker, queue: str) -> DeadLetterList:
    """Return the dead letters of a queue, without removing them."""
    letters = [
        DeadLetterResult(
            id=each.message.message_id, reason=each.reason, body=each.message.body.decode(errors="replace")
        )
        async for each in broker.dead_letters(queue)
    ]
    return DeadLetterList(queue=queue, dead_letters=letters)


async def replay_dead_letters(broker: Broker, queue: str) -> ReplayResult:
    """Put the dead letters of a queue back into it."""
    return ReplayResult(queue=queue, replayed=await broker.replay(queue))
