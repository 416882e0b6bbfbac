"""Messages that were given up on."""

from __future__ import annotations

from services.cli.admin_results import DeadLetter, DeadLetters, Replayed
from shared.broker.base import Broker


async def list_dead_letters(broker: Broker, queue: str) -> DeadLetters:
    """Give them, and leave them where they are."""
    letters = [
        DeadLetter(
            id=each.message.message_id, reason=each.reason, body=each.message.body.decode(errors="replace")
        )
        async for each in broker.dead_letters(queue)
    ]
    return DeadLetters(queue=queue, dead_letters=letters)


async def replay_dead_letters(broker: Broker, queue: str) -> Replayed:
    """Put them back into their queue."""
    return Replayed(queue=queue, replayed=await broker.replay(queue))
