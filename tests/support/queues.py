"""What others may do to queues: an operator who purges them."""

from __future__ import annotations

import aio_pika

_DEADLINE = 5.0


async def purge(url: str, *names: str) -> int:
    """Remove all messages of the queues that are in nobody's hands, and give how many."""
    removed = 0
    async with await aio_pika.connect(url, timeout=_DEADLINE) as connection:
        channel = await connection.channel()
        for name in names:
            queue = await channel.get_queue(name, ensure=False)
            removed += (await queue.purge(timeout=_DEADLINE)).message_count or 0
    return removed
