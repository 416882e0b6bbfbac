"""Messages that were given up on."""

from __future__ import annotations

from services.cli.admin_results import DeadLetterList, DeadLetterResult, ReplayResult
from shared.broker.base import Broker


async def list_dead_letters(broker: Broker, queue: str) -> DeadLetterList:
    """Give them, and leave them where they are."""
    letters = [
        DeadLetterResult(
            id=each.message.message_id, reason=each.reason, body=each.message.body.decode(errors="replace")
        )
        async for each in broker.dead_letters(queue)
    ]
    return DeadLetterList(queue=queue, dead_letters=letters)


async def replay_dead_letters(broker: Broker, queue: str) -> ReplayResult:
    """Put them back into their queue."""
    return ReplayResult(queue=queue, replayed=await broker.replay(queue))
