"""Notifications of Postgres: what waits for a commit elsewhere is told of it, and does not have to ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from shared.database.outages import DATABASE_ERRORS
from shared.database.pool import Connection


@asynccontextmanager
async def woken(session: Connection, *channels: str) -> AsyncIterator[asyncio.Event]:
    """Give an asyncio.Event that is set by each notification on the channels, and if the session is lost.

    Notifications are not lost as long as the session lives. Nobody else may use the session meanwhile.
    """
    news = asyncio.Event()

    def wake(*_: object) -> None:
        news.set()

    session.add_termination_listener(wake)
    for channel in channels:
        await session.add_listener(channel, wake)
    try:
        yield news
    finally:
        session.remove_termination_listener(wake)
        for channel in channels:
            with suppress(*DATABASE_ERRORS):  # the session may be lost
                await session.remove_listener(channel, wake)


async def comes(news: asyncio.Event, *, within: timedelta) -> bool:
    """Wait until the event is set, and tell whether it was within that time."""
    try:
        async with asyncio.timeout(within.total_seconds()):
            await news.wait()
    except TimeoutError:
        return False
    return True
