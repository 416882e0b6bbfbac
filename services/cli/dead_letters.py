"""Messages that were given up on."""

from __future__ import annotations

from services.cli.terminal import result, table
from shared.broker.base import Broker


async def list_dead_letters(broker: Broker, queue: str) -> None:
    """Print them, and leave them where they are."""
    rows = [
        (each.message.message_id, each.reason, each.message.body[:200])
        async for each in broker.dead_letters(queue)
    ]
    table(f"Dead letters of {queue}", ("id", "reason", "body"), rows)


async def replay_dead_letters(broker: Broker, queue: str) -> None:
    """Put them back into their queue."""
    result(f"{await broker.replay(queue)} messages back in {queue}")
